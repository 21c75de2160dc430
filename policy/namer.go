package policy

import "io"

// Namer makes assigned names.
type Namer struct {
	random io.Reader
}

// NewNamer returns a namer for a template.
func NewNamer(random io.Reader, template string) (*Namer, error) {
	return &Namer{random: random}, nil
}

// Assign returns a fresh name.
func (n *Namer) Assign(rawName string) (string, error) {
	return "", io.ErrUnexpectedEOF
}
