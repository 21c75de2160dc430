//go:build linux

package volumes

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// pluginFolder returns what `make plugin` makes, of the program of this run, with the libraries that this one needs:
// building one without would take longer than the tests of it.
func pluginFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(suite.Base, "plugin")
	makePlugin.Do(func() {
		report, err := exec.Command("make", "-C", "../..", "plugin", "PLUGIN="+dir, "PROGRAM="+suite.bin).CombinedOutput()
		require.NoError(t, err, "%s", report)
		require.NoError(t, copyLibraries(suite.bin, filepath.Join(dir, "rootfs")))
	})
	return dir
}

// makePlugin makes it once.
var makePlugin sync.Once

// makeImage makes the root of the image: a busybox with a user of its own, and setpriv(1), which busybox has half of.
func makeImage(root string) error {
	for dir, mode := range map[string]os.FileMode{"bin": 0o755, "etc": 0o755, "usr/bin": 0o755, "tmp": 0o777 | os.ModeSticky, "srv/app": 0o755} {
		path := filepath.Join(root, dir)
		if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, mode)); err != nil {
			return err
		}
	}
	if err := os.Chown(filepath.Join(root, "srv/app"), 1000, 1000); err != nil {
		return err
	}
	script := `set -e; cp "$1" "$2/bin/busybox"; cp "$3" "$2/usr/bin/setpriv"; "$2/bin/busybox" --list | while read -r name; do
		[ "$name" = setpriv ] || ln -s busybox "$2/bin/$name" 2>/dev/null || :; done`
	var programs [2]string
	for i, name := range []string{"busybox", "setpriv"} {
		var err error
		if programs[i], err = exec.LookPath(name); err != nil {
			return err
		}
	}
	if report, err := exec.Command("sh", "-c", script, "sh", programs[0], root, programs[1]).CombinedOutput(); err != nil {
		return fmt.Errorf("image: %w\n%s", err, report)
	}
	users := "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n"
	return errors.Join(
		copyLibraries(programs[1], root),
		os.WriteFile(filepath.Join(root, "etc/passwd"), []byte(users), 0o644),
		os.WriteFile(filepath.Join(root, "etc/group"), []byte("root:x:0:\napp:x:1000:\n"), 0o644),
	)
}

// copyLibraries copies the libraries that a program needs to where it looks for them below root.
func copyLibraries(program, root string) error {
	libraries, _ := exec.Command("ldd", program).Output() // fails for a program that needs none
	for _, word := range strings.Fields(string(libraries)) {
		if !filepath.IsAbs(word) {
			continue
		}
		text, err := os.ReadFile(word)
		if err != nil {
			return err
		}
		inside := filepath.Join(root, word)
		if err := errors.Join(os.MkdirAll(filepath.Dir(inside), 0o755), os.WriteFile(inside, text, 0o755)); err != nil {
			return err
		}
	}
	return nil
}
