package hosttest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Processes lists the pids of all processes that the caller can see.
func Processes() []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Args is the command line of a process, nil if it has none: kernel threads and zombies have none.
func Args(pid int) []string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

// stat is the fields of proc_pid_stat(5) from the third on, nil if there is no such process.
func stat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	// The second field is in parentheses, which may stand in it too.
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
}

// State is the letter of proc_pid_stat(5) for what a process does, "" if there is no such process.
func State(pid int) string {
	fields := stat(pid)
	if len(fields) == 0 {
		return ""
	}
	return fields[0]
}

// Gone says that a process has exited, whether or not somebody has waited for it. Some inits take their time.
func Gone(pid int) bool {
	state := State(pid)
	return state == "" || state == "Z" || state == "X"
}

// Children lists the children of a process.
func Children(pid int) []int {
	var found []int
	for _, p := range Processes() {
		if fields := stat(p); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			found = append(found, p)
		}
	}
	return found
}

// StatusKiB is a size in proc_pid_status(5), such as VmRSS, in KiB.
func StatusKiB(t testing.TB, pid int, field string) (kib int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "\n"+field+":")
	require.True(t, found, "%s of process %d", field, pid)
	_, err = fmt.Sscanf(rest, "%d kB", &kib)
	require.NoError(t, err)
	return kib
}

// Rings counts the io_uring instances that a process has open.
func Rings(t testing.TB, pid int) (n int) {
	t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	for _, link := range links {
		if target, _ := os.Readlink(link); target == "anon_inode:[io_uring]" {
			n++
		}
	}
	return n
}

// ExitStatus is the status as a shell shows it: 128+n for signal n, -1 if the program did not run.
func ExitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		return -1
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}
