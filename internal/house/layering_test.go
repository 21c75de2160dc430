package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "safetmp"

// forbidden says which imports may not be, and why. A package matches a prefix
// if it is that package or below it.
var forbidden = []struct{ from, to, reason string }{
	{"policy", "safetmp/", "policy is pure: it knows requests and decisions, nothing of ours"},
	{"policy", "os", "a decision does no I/O"},
	{"policy", "time", "a decision knows no clock"},
	{"policy", "net", "a decision does no I/O"},
	{"policy", "golang.org/x/sys", "a decision makes no system call"},
	{"policy", "github.com/hanwen/go-fuse", "policy can be tested and fuzzed without a kernel"},
	{"memstore", "safetmp/policy", "the store keeps bytes; what may be stored is decided above it"},
	{"memstore", "safetmp/fs", "imports point down"},
	{"memstore", "safetmp/internal", "imports point down"},
	{"memstore", "github.com/hanwen/go-fuse", "the store knows no FUSE"},
	{"fs", "safetmp/internal", "imports point down: fs does not know who serves it"},
	{"fs", "safetmp/cmd", "imports point down"},
	{"internal", "safetmp/cmd", "imports point down"},
	{"internal/fuseconn", "safetmp/policy", "the connection moves requests; fs asks the policy"},
	{"internal/fuseconn", "safetmp/memstore", "the connection moves requests; fs uses the store"},
	{"internal/uring", "safetmp/", "a ring moves commands; it knows nothing of FUSE or of us"},
	{"internal/mount", "safetmp/fs", "mounting knows nothing of what is mounted"},
	{"internal/control", "safetmp/fs", "the socket carries plain data; internal/daemon fills it"},
	{"internal/sessions", "safetmp/", "it reads /proc and knows nothing of ours"},
	{"internal/config", "safetmp/fs", "options are plain data"},
	{"internal/volume", "google.golang.org/grpc", "volumes know no engine: internal/volumedocker and internal/volumecsi translate"},
	{"internal/volume", "github.com/docker", "volumes know no engine: internal/volumedocker and internal/volumecsi translate"},
	{"internal/volume", "github.com/container-storage-interface", "volumes know no engine: internal/volumedocker and internal/volumecsi translate"},
	{"internal/launch", "github.com/spf13", "starting a mount knows no command line: two programs do it"},
	{"internal/bench", "safetmp/", "what is measured is the program that is shipped, from outside"},
	{"cmd", "safetmp/internal/bench", "the benchmark is not shipped"},
	{"internal/hosttest", "safetmp/", "what tests need of the host knows nothing of ours, so that the tests of every package may use it"},
}

// pkg is what `go list -json` tells of a package.
type pkg struct {
	ImportPath string
	Name       string
	Doc        string
	Dir        string
	Imports    []string
}

// packages lists the packages of this module.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Dir,Imports", module+"/...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		all = append(all, p)
	}
	require.NotEmpty(t, all)
	return all
}

func under(path, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func TestImportsPointDown(t *testing.T) {
	all := packages(t)
	for _, edge := range forbidden {
		found := false
		for _, p := range all {
			if !under(p.ImportPath, module+"/"+edge.from) {
				continue
			}
			found = true
			for _, imported := range p.Imports {
				if imported != p.ImportPath && !under(imported, module+"/"+edge.from) {
					assert.False(t, under(imported, edge.to), "%s imports %s: %s", p.ImportPath, imported, edge.reason)
				}
			}
		}
		assert.True(t, found, "rule about %s, which does not exist any more", edge.from)
	}
}

func TestOnlyTestsImportTestify(t *testing.T) {
	for _, p := range packages(t) {
		if strings.HasSuffix(p.ImportPath, "test") {
			continue
		}
		for _, imported := range p.Imports {
			assert.False(t, under(imported, "github.com/stretchr"), "%s ships a test library", p.ImportPath)
		}
	}
}

// lean are programs and what may not be among everything that they are built from, with the reason.
var lean = []struct{ program, to, reason string }{
	{"cmd/safetmp", "google.golang.org/grpc", "the core program talks to no engine: that is safetmp-volume's"},
	{"cmd/safetmp", "google.golang.org/protobuf", "the core program talks to no engine: that is safetmp-volume's"},
	{"cmd/safetmp", "github.com/docker", "the core program talks to no engine: that is safetmp-volume's"},
	{"cmd/safetmp", "safetmp/internal/volume", "the core program talks to no engine: that is safetmp-volume's"},
	{"cmd/safetmp", "github.com/elastic", "its tables of system calls took a fifth of the start of every process of ours"},
	{"cmd/safetmp-volume", "k8s.io", "the types of Kubernetes are for tests"},
	{"cmd/safetmp-volume", "github.com/kubernetes-csi", "the suite of the interface is for tests"},
}

func TestProgramsStayLean(t *testing.T) {
	for _, row := range lean {
		cmd := exec.Command("go", "list", "-deps", module+"/"+row.program)
		cmd.Dir = "../.."
		out, err := cmd.Output()
		require.NoError(t, err)
		deps := strings.Fields(string(out))
		require.Contains(t, deps, module+"/"+row.program)
		for _, dep := range deps {
			assert.False(t, under(dep, row.to), "%s is built from %s: %s", row.program, dep, row.reason)
		}
	}
}
