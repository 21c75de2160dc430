// Package control is the owner-only Unix socket by which a mount is asked for its status and files and told to end.
package control
