package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// The scripts in testdata/script run this program's own main: one script per command, per flag or a few of a kind, and
// per exit code. Beside what testscript has, they may use
//
//	exits CODE PROGRAM [ARG...]   run a program that must end with this status, 128+n for signal n
//	complains PATTERN [HINT]      its output was nothing but one line "safetmp: ..." that matches, and the hint where
//	                              one is expected; $M and $WORK in a pattern stand for themselves
//	within SECONDS PROGRAM [...]  repeat a program until it succeeds
//
// and the conditions [root], [user], [repo] (the checkout can be read at ROOT) and [prog:NAME], which may be the path of a file; one that is
// missing fails the script in continuous integration, which installs them. M is an empty directory of the caller's, with a path that is short enough for
// sockets.

// ordinary is the uid as which root runs the scripts again.
const ordinary = 1000

// scriptsAgain tells the test binary that it runs for root, as ordinary; its value is the folder to work in.
const scriptsAgain = "SAFETMP_TEST_SCRIPTS"

// scripts is what TestMain prepares; immutable while tests run.
var scripts struct {
	base   string // everything these tests make lies below it
	number atomic.Int64
}

func TestMain(m *testing.M) {
	testscript.Main(inspected{m}, map[string]func(){
		"safetmp":            main,
		"mount.safetmp":      main,
		"mount.fuse.safetmp": main,
	})
}

// inspected runs the tests in a folder of their own and fails if they leave anything behind.
type inspected struct{ m *testing.M }

// Run implements testscript.TestingM. By now the copies of the program are in place.
func (i inspected) Run() int {
	if err := prepareScripts(); err != nil {
		fmt.Fprintln(os.Stderr, "scripts:", err)
		return 1
	}
	code := i.m.Run()
	if os.Getenv(scriptsAgain) != "" {
		return code // whoever started us looks
	}
	for _, left := range hosttest.LeftAfter(exitBound, scripts.base) {
		fmt.Fprintln(os.Stderr, "scripts: left behind:", left)
		code = max(code, 1)
	}
	if err := os.RemoveAll(scripts.base); err != nil {
		fmt.Fprintln(os.Stderr, "scripts:", err)
		code = max(code, 1)
	}
	return code
}

// exitBound is how long daemons that have answered may take to exit.
const exitBound = 5 * time.Second

// prepareScripts makes the folder, and opens that of the programs to other users.
func prepareScripts() (err error) {
	unix.Umask(0o022)
	if scripts.base = os.Getenv(scriptsAgain); scripts.base == "" {
		if scripts.base, err = os.MkdirTemp("", "safetmp-cmd-"); err != nil {
			return err
		}
	}
	program, err := exec.LookPath(programName)
	if err != nil {
		return err
	}
	for _, dir := range []string{scripts.base, filepath.Dir(filepath.Dir(program))} {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return os.Setenv("GOTMPDIR", scripts.base) // where testscript works
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setUpScript,
		Condition:           scriptCondition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     scriptExits,
			"complains": scriptComplains,
			"within":    scriptWithin,
		},
	})
}

// TestScriptsAsUser runs the scripts again without privilege.
func TestScriptsAsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the scripts run without privilege already")
	}
	dir := filepath.Join(scripts.base, "u")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.Chown(dir, ordinary, ordinary))
	binary, err := os.ReadFile("/proc/self/exe") // which lies where other users may not look
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tests"), binary, 0o755))
	pattern := "^TestScripts$"
	if _, script, chosen := strings.Cut(flag.Lookup("test.run").Value.String(), "/"); chosen {
		pattern += "/" + script
	}
	cmd := exec.Command(filepath.Join(dir, "tests"), "-test.run="+pattern, "-test.v="+strconv.FormatBool(testing.Verbose()), "-test.timeout=4m")
	cmd.Env = append(os.Environ(), scriptsAgain+"="+dir, "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinary, Gid: ordinary, Groups: []uint32{}}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("%s", out)
}

// setUpScript gives a script its mountpoint and its folders, and ends what it leaves mounted.
func setUpScript(e *testscript.Env) error {
	dir := filepath.Join(scripts.base, "m"+fmt.Sprint(scripts.number.Add(1)))
	runtime := filepath.Join(e.WorkDir, ".run")
	for _, path := range []string{dir, runtime, filepath.Join(e.WorkDir, "home")} {
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
	}
	// Root's scripts drop to other users, who must reach what they are given.
	for path := e.WorkDir; path != scripts.base; path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			return err
		}
	}
	e.Setenv("M", dir)
	e.Setenv("XDG_RUNTIME_DIR", runtime)
	e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
	e.Setenv("UID", fmt.Sprint(os.Getuid()))
	e.Setenv("ORDINARY", fmt.Sprint(ordinary))
	e.Setenv("LC_ALL", "C")
	e.Setenv("ROOT", repository())
	program, err := exec.LookPath(programName)
	e.Setenv("PROGRAM", program)
	e.Defer(func() { tidyScript(e, dir) })
	return err
}

// tidyScript fails the script on a mount that is left, and takes it away.
func tidyScript(e *testscript.Env, dir string) {
	left := append(hosttest.MountsBelow(dir), hosttest.MountsBelow(e.WorkDir)...)
	for _, mountpoint := range left {
		_, _ = exec.Command(programName, "umount", "--force", mountpoint).CombinedOutput()
		_ = unix.Unmount(mountpoint, unix.MNT_DETACH)
	}
	if err := os.RemoveAll(dir); err != nil {
		e.T().Log("removing the mountpoint: ", err)
		left = append(left, dir)
	}
	if len(left) > 0 {
		e.T().Log("left behind: ", left)
		e.T().FailNow()
	}
}

// repository is the absolute path of the checkout.
func repository() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		return ""
	}
	return dir
}

// scriptCondition knows [root], [user], [repo] and [prog:NAME].
func scriptCondition(cond string) (bool, error) {
	name, isProgram := strings.CutPrefix(cond, "prog:")
	switch {
	case cond == "root":
		return os.Geteuid() == 0, nil
	case cond == "user":
		return os.Geteuid() != 0, nil
	case cond == "repo":
		return unix.Access(filepath.Join(repository(), "Makefile"), unix.R_OK) == nil, nil
	case !isProgram:
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	err := installed(name)
	if err != nil && hosttest.InCI() {
		return false, fmt.Errorf("continuous integration may not skip: %w", err)
	}
	return err == nil, nil
}

// installed says whether there is a program of this name or a file of this path.
func installed(name string) (err error) {
	if filepath.IsAbs(name) {
		_, err = os.Stat(name)
	} else {
		_, err = exec.LookPath(name)
	}
	return err
}

// scriptExits is the command exits.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := hosttest.ExitStatus(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// scriptComplains is the command complains.
func scriptComplains(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: complains PATTERN [HINT]")
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("output beside a complaint: %q", out)
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stderr"), "\n"), "\n")
	if len(lines) != len(args) {
		ts.Fatalf("%d lines of complaint, want %d", len(lines), len(args))
	}
	for i, prefix := range []string{"safetmp: ", "safetmp: hint: "}[:len(args)] {
		pattern := args[i]
		for _, name := range []string{"M", "WORK"} {
			pattern = strings.ReplaceAll(pattern, "$"+name, regexp.QuoteMeta(ts.Getenv(name)))
		}
		text, ok := strings.CutPrefix(lines[i], prefix)
		matched, err := regexp.MatchString(pattern, text)
		ts.Check(err)
		if !ok || !matched {
			ts.Fatalf("%q is not %q and what matches %q", lines[i], prefix, pattern)
		}
	}
}

// scriptWithin is the command within.
func scriptWithin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: within SECONDS PROGRAM [ARG...]")
	}
	seconds, err := strconv.Atoi(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(time.Duration(seconds) * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err = ts.Exec(args[1], args[2:]...); err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not within %d seconds: %v", seconds, err)
		}
	}
}
