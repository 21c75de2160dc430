package policy

import "strings"

// The fields of a name template.
const (
	fieldRandom = "{random}"
	fieldStem   = "{stem}"
	fieldExt    = "{ext}"
)

// The most that a requested name gives to an assigned one, in bytes.
const (
	maxStem = 64
	maxExt  = 17 // with its dot
)

// maxLiteral bounds the text of a template in bytes, so that random part, stem
// and extension always fit beside it.
const maxLiteral = 128

// The longest name of any template is a name; this does not compile otherwise.
const _ = uint(MaxName - (maxLiteral + randomChars + maxStem + maxExt))

// part is a piece of a template: a field or, when field is empty, text.
type part struct {
	field   string
	literal string
}

const acceptedTemplate = "letters, digits, . _ - and the fields {random} (required), {stem}, {ext}"

// parseTemplate splits a template into its parts and refuses everything that
// NewNamer does not document.
func parseTemplate(template string) ([]part, error) {
	var parts []part
	literals := 0
	for rest := template; rest != ""; {
		p, length, problem := nextPart(rest)
		if problem == "" && p.field != "" && hasField(parts, p.field) {
			problem = "field " + p.field + " is there twice"
		}
		if literals += len(p.literal); literals > maxLiteral {
			problem = "more than 128 bytes of text"
		}
		if problem != "" {
			return nil, templateError(template, problem)
		}
		parts, rest = append(parts, p), rest[length:]
	}
	if !hasField(parts, fieldRandom) {
		return nil, templateError(template, "{random} is missing")
	}
	return parts, nil
}

// nextPart reads the part at the start of a template that is not empty. It
// returns its length there, or what is wrong with it.
func nextPart(rest string) (p part, length int, problem string) {
	if rest[0] != '{' {
		length = strings.IndexByte(rest, '{')
		if length < 0 {
			length = len(rest)
		}
		p.literal = rest[:length]
		return p, length, literalProblem(p.literal)
	}
	for _, field := range []string{fieldRandom, fieldStem, fieldExt} {
		if strings.HasPrefix(rest, field) {
			return part{field: field}, len(field), ""
		}
	}
	unknown, _, closed := strings.Cut(rest, "}")
	if !closed {
		return p, 0, "no closing brace in " + quote(rest)
	}
	return p, 0, "unknown field " + quote(unknown+"}")
}

func literalProblem(literal string) string {
	for _, r := range literal {
		if r != '.' && !safeRune(r) {
			return "character " + quote(string(r)) + " is not allowed"
		}
	}
	return ""
}

func hasField(parts []part, field string) bool {
	for _, p := range parts {
		if p.field == field {
			return true
		}
	}
	return false
}

func templateError(template, problem string) error {
	return &ParseError{File: "name template " + quote(template), Problem: problem, Accepted: acceptedTemplate}
}

// splitName splits a name before its last dot. A dot at the start makes a
// hidden file and one at the end nothing, so neither starts an extension.
func splitName(rawName string) (stem, ext string) {
	dot := strings.LastIndexByte(rawName, '.')
	if dot <= 0 || dot == len(rawName)-1 {
		return rawName, ""
	}
	return rawName[:dot], rawName[dot:]
}

// appendExt appends an extension that is empty or starts with its dot.
func appendExt(name []byte, rawExt string) []byte {
	if rawExt == "" {
		return name
	}
	return appendSafe(append(name, '.'), rawExt[1:])
}

// appendSafe appends text, with "_" in place of each character that is not
// plain. Invalid UTF-8 counts as one character per byte.
func appendSafe(name []byte, rawText string) []byte {
	for _, r := range rawText {
		if !safeRune(r) {
			r = '_'
		}
		name = append(name, byte(r))
	}
	return name
}

// safeRune reports whether a character is one of A-Z a-z 0-9 _ -.
func safeRune(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return true
	}
	return r == '_' || r == '-'
}
