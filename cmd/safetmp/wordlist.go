package main

import "strings"

// wordList is a flag that may be repeated; each adds to the list.
type wordList struct {
	words *[]string
	kind  string // what help calls the value
	split bool   // one value holds several, comma-separated
}

// Set implements pflag.Value.
func (l *wordList) Set(raw string) error {
	added := []string{raw}
	if l.split {
		added = strings.Split(raw, ",")
	}
	*l.words = append(*l.words, added...)
	return nil
}

// String implements pflag.Value; defaults are told in the usage text.
func (l *wordList) String() string { return "" }

// Type implements pflag.Value.
func (l *wordList) Type() string { return l.kind }
