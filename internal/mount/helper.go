package mount

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// helperName is the set-uid program that mounts for ordinary users, fusermount3(1).
const helperName = "fusermount3"

// helperConfig says whether ordinary users may share a mount.
const helperConfig = "/etc/fuse.conf"

// attachByHelper has fusermount3 mount and send us the descriptor. A helper that does not know nosymfollow (before
// libfuse 3.17) is asked again without it.
func attachByHelper(s Spec, t *target) (*os.File, error) {
	helper, err := findHelper("mount")
	if err != nil {
		return nil, err
	}
	if s.Shared && !mayShare() {
		return nil, &Error{Op: "mount", Path: t.path, Err: ErrNotPermitted, Detail: "sharing a mount needs the administrator's consent",
			hint: "add the line user_allow_other to " + helperConfig + ", or mount without shared"}
	}
	defer t.makeWritable()()
	dev, err := askHelper(helper, s, t)
	switch {
	case err == nil || !s.NoSymfollow:
		return dev, err
	case s.MustNoSymfollow && strings.Contains(err.Error(), "nosymfollow"):
		return nil, noSymfollowError(t.path, "fusermount3 does not know nosymfollow", "libfuse 3.17 does, and root needs no fusermount3")
	case s.MustNoSymfollow:
		return nil, err
	}
	s.NoSymfollow = false
	return askHelper(helper, s, t)
}

// findHelper looks for fusermount3 in PATH and where distributions install it.
func findHelper(op string) (string, error) {
	for _, name := range []string{helperName, "/usr/bin/" + helperName, "/bin/" + helperName} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &Error{Op: op, Err: ErrNoHelper, hint: "install the package fuse3, or mount as root; safetmp run needs neither"}
}

// mayShare reports whether the administrator lets ordinary users share mounts; root may always.
func mayShare() bool {
	if os.Geteuid() == 0 {
		return true
	}
	text, err := os.ReadFile(helperConfig)
	if err != nil {
		return true // let the helper decide
	}
	for line := range strings.Lines(string(text)) {
		if strings.TrimSpace(line) == "user_allow_other" {
			return true
		}
	}
	return false
}

// askHelper runs fusermount3 once. It sends the descriptor over the socket named by _FUSE_COMMFD (libfuse,
// util/fusermount.c) and exits.
func askHelper(helper string, s Spec, t *target) (*os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, &Error{Op: "mount", Path: t.path, Err: err}
	}
	ours := os.NewFile(uintptr(pair[0]), "helper")
	theirs := os.NewFile(uintptr(pair[1]), "helper")
	defer ours.Close()

	var said bytes.Buffer
	cmd := exec.Command(helper, "-o", s.helperOptions(), "--", t.path)
	cmd.Env = []string{"_FUSE_COMMFD=3", "LC_ALL=C"}
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = &said
	err = cmd.Run()
	_ = theirs.Close()
	if err != nil {
		return nil, helperError("mount", t.path, err, said.String())
	}
	return receiveDevice(int(ours.Fd()), t.path)
}

// helperOptions are the mount options as fusermount3 takes them. It adds user_id, group_id and, for ordinary users,
// nosuid and nodev itself.
func (s Spec) helperOptions() string {
	words := []string{"nosuid", "nodev", "default_permissions", "fsname=" + s.Source, "subtype=safetmp"}
	if s.MaxRead > 0 {
		words = append(words, fmt.Sprintf("max_read=%d", s.MaxRead))
	}
	if s.NoExec {
		words = append(words, "noexec")
	}
	if s.NoSymfollow {
		words = append(words, "nosymfollow")
	}
	if s.Shared {
		words = append(words, "allow_other")
	}
	return strings.Join(words, ",")
}

// receiveDevice takes the descriptor out of the helper's message.
func receiveDevice(socket int, path string) (*os.File, error) {
	var data [1]byte
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, data[:], control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, &Error{Op: "mount", Path: path, Err: err}
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return nil, &Error{Op: "mount", Path: path, Err: errors.New("fusermount3 sent no descriptor")}
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, &Error{Op: "mount", Path: path, Err: errors.New("fusermount3 sent no descriptor")}
	}
	return os.NewFile(uintptr(fds[0]), deviceFile), nil
}

// helperError tells what fusermount3 said. It reports no errno, only a line of text; run with LC_ALL=C the text of
// EBUSY is fixed, and it is the one errno that callers must tell from the rest.
func helperError(op, path string, err error, said string) error {
	line, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	if _, text, found := strings.Cut(line, helperName+": "); found {
		line = text
	}
	e := &Error{Op: op, Path: path, Detail: line}
	var status *exec.ExitError
	switch {
	case !errors.As(err, &status):
		e.Err = err
	case strings.HasSuffix(line, "Device or resource busy"):
		e.Err, e.Detail = unix.EBUSY, ""
	case strings.Contains(line, "/dev/fuse") || strings.Contains(line, "fuse device"):
		e.Err, e.hint = ErrNoDevice, "load the module: modprobe fuse; in a container: --device /dev/fuse"
	case op == "unmount":
		e.Err, e.hint = ErrNotPermitted, "only the mount's owner and root may unmount it"
	default:
		e.Err, e.hint = ErrNotPermitted, "fusermount3 mounts only on directories that are yours and writable"
	}
	return e
}
