package policy_test

import (
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// permittedImports is everything that the package may build on, and why. What
// is not here (os, time, net, go-fuse, the store) would let a decision depend on
// more than its request.
var permittedImports = map[string]string{
	"encoding/base32": "assigned names",
	"errors":          "finding the parser's error",
	"fmt":             "messages of parse errors",
	"io":              "the random source, which is injected",
	"slices":          "copies for callers",
	"strconv":         "quoting bad input in messages",
	"strings":         "names and targets",
	"syscall":         "errnos and mode bits; no call is made",
	"unicode":         "classes of characters in names",
	"unicode/utf8":    "validity of names",

	"github.com/pelletier/go-toml/v2/unstable": "policy files",
}

func TestImportsKeepThePackagePure(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	used := make(map[string]bool)
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		source, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range source.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			used[imported] = true
			assert.Contains(t, permittedImports, imported, "%s imports %s", entry.Name(), imported)
		}
	}
	for imported, reason := range permittedImports {
		assert.True(t, used[imported], "%s (%s) is permitted and no longer used", imported, reason)
	}
}
