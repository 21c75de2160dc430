// Package memstore keeps the contents of files in memory that it maps itself.
package memstore
