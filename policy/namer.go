package policy

import (
	"encoding/base32"
	"fmt"
	"io"
)

// Sizes of the random part of an assigned name.
const (
	randomBytes = 16 // 128 bits, from which a name cannot be guessed (CWE-340)
	randomChars = 26 // the same in base32: ceil(128/5)
)

// nameEncoding is RFC 4648 base32 in lower case. Its characters mean the same
// to every shell, archive format and case-folding filesystem.
var nameEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Namer makes assigned names. It is immutable, and safe for concurrent use when
// its random source is, as crypto/rand.Reader is.
type Namer struct {
	random io.Reader
	parts  []part
}

// NewNamer returns a Namer that draws from random, which must be
// crypto/rand.Reader outside of tests, and fills in a template. The empty
// template means "{random}".
//
// A template is text of the characters A-Z a-z 0-9 . _ - with these fields,
// each at most once:
//
//	{random}  26 characters a-z2-7 that stand for 128 random bits; required
//	{stem}    the requested name up to its last dot, at most 64 bytes
//	{ext}     the requested name from its last dot on, at most 17 bytes; empty
//	          when there is none or nothing but a dot before or after it
//
// Stem and extension tell part of the requested name to whoever may list the
// directory. An error is a [*ParseError].
func NewNamer(random io.Reader, template string) (*Namer, error) {
	if template == "" {
		template = fieldRandom
	}
	parts, err := parseTemplate(template)
	if err != nil {
		return nil, err
	}
	return &Namer{random: random, parts: parts}, nil
}

// Assign returns a fresh name for an entry that was asked for as rawName, in
// memory that nothing else refers to and without a copy elsewhere. It
// has at most [MaxName] bytes, all of A-Z a-z 0-9 . _ -, and never starts with
// "-", nor with "." unless the template does. What a stem or extension holds
// beyond these characters becomes "_". Nothing is assumed about rawName.
//
// The only error is that of the random source; no name is better than one that
// can be guessed.
func (n *Namer) Assign(rawName string) ([]byte, error) {
	var random [randomBytes]byte
	defer clear(random[:])
	if _, err := io.ReadFull(n.random, random[:]); err != nil {
		return nil, fmt.Errorf("read random source for a name: %w", err)
	}
	rawStem, rawExt := splitName(rawName)
	rawStem = rawStem[:min(len(rawStem), maxStem)]
	rawExt = rawExt[:min(len(rawExt), maxExt)]
	name := make([]byte, 0, n.longest(rawStem, rawExt))
	for _, p := range n.parts {
		switch p.field {
		case fieldRandom:
			name = nameEncoding.AppendEncode(name, random[:])
		case fieldStem:
			name = appendSafe(name, rawStem)
		case fieldExt:
			name = appendExt(name, rawExt)
		default:
			name = append(name, p.literal...)
		}
	}
	if name[0] == '-' {
		name[0] = '_'
	}
	return name, nil
}

// longest is the most bytes that a name of this stem and extension may have.
func (n *Namer) longest(rawStem, rawExt string) (bytes int) {
	for _, p := range n.parts {
		switch p.field {
		case fieldRandom:
			bytes += randomChars
		case fieldStem:
			bytes += len(rawStem)
		case fieldExt:
			bytes += len(rawExt)
		default:
			bytes += len(p.literal)
		}
	}
	return bytes
}
