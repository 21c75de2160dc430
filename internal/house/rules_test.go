package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// source is one Go file of the project.
type source struct {
	path string // below the module
	file *ast.File
	fset *token.FileSet
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// sources parses every Go file.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, path)
		all = append(all, source{below, file, fset})
		return err
	})
	require.NoError(t, err)
	require.Greater(t, len(all), 50)
	return all
}

func TestEveryPackageHasAComment(t *testing.T) {
	for _, p := range packages(t) {
		assert.NotEmpty(t, p.Doc, "%s: a reader starts at the package comment", p.ImportPath)
	}
}

func TestOnlyMainExits(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		for _, decl := range s.file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || s.file.Name.Name == "main" && fn.Name.Name == "main" && fn.Recv == nil {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if pkg, ok := sel.X.(*ast.Ident); ok {
					call := pkg.Name + "." + sel.Sel.Name
					assert.False(t, call == "os.Exit" || strings.HasPrefix(call, "log.Fatal"),
						"%s calls %s: an exit outside main skips the wipe", s.fset.Position(n.Pos()), call)
				}
				return true
			})
		}
	}
}

func TestNoGuessableRandomness(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || strings.HasPrefix(s.path, "integration/") {
			continue
		}
		for _, imp := range s.file.Imports {
			path, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			assert.False(t, strings.HasPrefix(path, "math/rand"), "%s imports %s: names and keys come from crypto/rand", s.path, path)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || s.file.Name.Name == "main" {
			continue
		}
		for _, decl := range s.file.Decls {
			for name, doc := range exported(decl) {
				assert.True(t, strings.HasPrefix(doc, name+" ") || strings.HasPrefix(doc, name+"'s "),
					"%s: the comment of %s starts with its name", s.fset.Position(decl.Pos()), name)
			}
		}
	}
}

// exported maps the exported functions and types of a declaration to their
// comments.
func exported(decl ast.Decl) map[string]string {
	found := map[string]string{}
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && exportedReceiver(d) {
			found[d.Name.Name] = d.Doc.Text()
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			ts, ok := spec.(*ast.TypeSpec)
			if !ok || !ts.Name.IsExported() {
				continue
			}
			doc := ts.Doc.Text()
			if doc == "" {
				doc = strings.TrimPrefix(strings.TrimPrefix(d.Doc.Text(), "A "), "An ")
			}
			found[ts.Name.Name] = doc
		}
	}
	return found
}

// exportedReceiver says whether a function is one, or a method of an exported
// type; the methods of others only serve interfaces.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	const mostLines, mostFunction = 600, 60
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		lines := s.fset.Position(s.file.End()).Line
		assert.LessOrEqual(t, lines, mostLines, "%s: does it answer one question?", s.path)
		for _, decl := range s.file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := s.fset.Position(fn.End()).Line - s.fset.Position(fn.Pos()).Line + 1
			assert.LessOrEqual(t, n, mostFunction, "%s: %s: can a phase of it be named and moved out?", s.path, fn.Name.Name)
		}
	}
}

func TestNothingIsLeftOver(t *testing.T) {
	words := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:"}
	for _, s := range sources(t) {
		for _, group := range s.file.Comments {
			for _, word := range words {
				assert.NotContains(t, group.Text(), word, "%s", s.fset.Position(group.Pos()))
			}
		}
	}
}
