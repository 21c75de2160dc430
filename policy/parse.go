package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxFile bounds a policy file, in bytes. The longest sensible one is a
// hundredth of it.
const maxFile = 64 << 10

// ParseLayer reads a policy file: TOML, one RULE = "VALUE" per line, and at
// most one profile = "NAME". File is its name for messages and
// [Policy.Describe]. Everything else in it is refused: unknown rules and
// values, a rule set twice, sections, values that are not strings. An error is
// a [*ParseError] with the line.
//
// The parser beneath is go-toml's expression parser and not its decoder: the
// decoder knows the line of malformed text alone, and a policy that quotes
// FILE:LINE for each setting needs all of them. The module's version is pinned.
func ParseLayer(file string, data []byte) (Layer, error) {
	r := fileReader{file: file, firstLine: make(map[string]int)}
	if len(data) > maxFile {
		return Layer{}, r.problem(1, "the file is too large", fmt.Sprintf("at most %d bytes", maxFile))
	}
	r.parser.Reset(data)
	for r.parser.NextExpression() {
		if err := r.expression(r.parser.Expression()); err != nil {
			return Layer{}, err
		}
	}
	if err := r.parser.Error(); err != nil {
		return Layer{}, r.syntax(err)
	}
	return r.layer, nil
}

// fileReader is a policy file being read.
type fileReader struct {
	file      string
	parser    unstable.Parser
	layer     Layer
	firstLine map[string]int // where each key stands, from 1
}

// acceptedLine is the only form of line there is.
const acceptedLine = `lines are of the form RULE = "VALUE"`

// expression takes over one line.
func (r *fileReader) expression(node *unstable.Node) error {
	key, line := r.key(node)
	switch {
	case node.Kind != unstable.KeyValue:
		return r.problem(line, "section "+quote(key)+" in a policy file", acceptedLine)
	case r.firstLine[key] != 0:
		return r.problem(line, fmt.Sprintf("%s is set twice, first in line %d", quote(key), r.firstLine[key]), "each rule once")
	}
	r.firstLine[key] = line
	value := node.Value()
	if value.Kind != unstable.String {
		return r.wrongType(line, key, value.Kind)
	}
	if key == keyProfile {
		return r.setProfile(line, string(value.Data))
	}
	return r.setRule(line, key, string(value.Data))
}

// key returns the dotted key of an expression and the line that it stands in.
func (r *fileReader) key(node *unstable.Node) (string, int) {
	var parts []string
	line := 1
	for it := node.Key(); it.Next(); {
		if parts == nil {
			line = r.parser.Shape(it.Node().Raw).Start.Line
		}
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, "."), line
}

func (r *fileReader) setProfile(line int, name string) error {
	profile, err := ParseProfile(r.file, name)
	if err != nil {
		return r.at(line, err)
	}
	r.layer.profile, r.layer.profileSource = profile, r.place(line)
	return nil
}

func (r *fileReader) setRule(line int, rule, value string) error {
	id, level, err := lookUp(r.file, rule, value)
	if err != nil {
		return r.at(line, err)
	}
	r.layer.settings = append(r.layer.settings, layerSetting{id, level, r.place(line)})
	return nil
}

// wrongType refuses a value that is not a string. An unknown key is reported
// as such first.
func (r *fileReader) wrongType(line int, key string, kind unstable.Kind) error {
	accepted := "profiles: " + profileNames()
	if key != keyProfile {
		id, ok := ruleByName(key)
		if !ok {
			return r.problem(line, "unknown rule "+quote(key), "rules: "+ruleNames())
		}
		accepted = "values: " + strings.Join(ruleTable[id].Values, ", ")
	}
	problem := fmt.Sprintf("%s takes a string in quotes, not a value of type %s", key, strings.ToLower(kind.String()))
	return r.problem(line, problem, accepted)
}

// syntax turns an error of the parser into one of ours.
func (r *fileReader) syntax(err error) error {
	line := 1
	var parserErr *unstable.ParserError
	if errors.As(err, &parserErr) {
		line = r.parser.Shape(r.parser.Range(parserErr.Highlight)).Start.Line
	}
	return r.problem(line, "not valid TOML: "+err.Error(), acceptedLine)
}

// at adds the line to a ParseError that has none yet.
func (r *fileReader) at(line int, err error) error {
	var parseErr *ParseError
	if errors.As(err, &parseErr) {
		parseErr.Line = line
	}
	return err
}

func (r *fileReader) problem(line int, problem, accepted string) error {
	return &ParseError{File: r.file, Line: line, Problem: problem, Accepted: accepted}
}

func (r *fileReader) place(line int) string {
	return fmt.Sprintf("%s:%d", r.file, line)
}
