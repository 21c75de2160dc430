package doctor

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"safetmp/internal/config"
	"safetmp/internal/sandbox"
)

// System is what an examination looks at. It is immutable.
type System struct {
	Root    fs.FS    // the machine's files; paths without the leading slash
	UID     int      // effective
	Path    []string // directories in which programs are looked for
	Release string   // of the kernel, uname(2)

	Memory       config.Memory
	MemlockLimit uint64 // RLIMIT_MEMLOCK, soft, bytes
	CoreLimit    uint64 // RLIMIT_CORE, soft, bytes

	// Encrypts says that a mount whose memory cannot be locked is encrypted where swap is possible.
	Encrypts bool
	// NamespaceHint says why user namespaces may be refused here.
	NamespaceHint string

	Trial Trial
}

// Host looks at this machine and tries out what can be tried. words are the arguments that make this program call
// RunTrial.
//
// Errors: the size of memory cannot be read, that is, there is no usable /proc.
func Host(words []string) (System, error) {
	memory, err := config.ReadMemory()
	if err != nil {
		return System{}, err
	}
	s := System{
		Root:          os.DirFS("/"),
		UID:           os.Geteuid(),
		Path:          filepath.SplitList(os.Getenv("PATH")),
		Release:       release(),
		Memory:        memory,
		MemlockLimit:  softLimit(unix.RLIMIT_MEMLOCK),
		CoreLimit:     softLimit(unix.RLIMIT_CORE),
		Encrypts:      true,
		NamespaceHint: sandbox.UserNamespaceHint("/proc/sys"),
	}
	s.Trial = try(words, s.defaultSize())
	return s, nil
}

// defaultSize is the size of a mount for which none is given, in bytes: half of the usable memory.
func (s System) defaultSize() int64 { return s.Memory.Usable() / 2 }

func release() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return ""
	}
	return string(bytes.TrimRight(name.Release[:], "\x00"))
}

func softLimit(resource int) uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(resource, &limit); err != nil {
		return 0
	}
	return limit.Cur
}

// text reads a small file; the second result says whether it could be read.
func (s System) text(name string) (string, bool) {
	data, err := fs.ReadFile(s.Root, name)
	return strings.TrimSpace(string(data)), err == nil
}

// bootWord returns the value of the last word "key=value" of the kernel's command line, proc_cmdline(5).
func (s System) bootWord(key string) (value string, found bool) {
	line, _ := s.text("proc/cmdline")
	for word := range strings.FieldsSeq(line) {
		if v, ok := strings.CutPrefix(word, key+"="); ok {
			value, found = v, true
		}
	}
	return value, found
}
