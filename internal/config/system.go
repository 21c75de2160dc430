package config

import (
	"fmt"
	"io"
	"os"
	"os/user"

	"golang.org/x/sys/unix"
)

// System is what Builder asks of the machine. Tests give their own.
type System struct {
	EUID, EGID uint32
	// Memory reads the memory there is.
	Memory func() (Memory, error)
	// UserID and GroupID look a name up.
	UserID, GroupID func(name string) (uint32, bool)
	// PrimaryGroup looks up the group of a uid.
	PrimaryGroup func(uid uint32) (uint32, bool)
	// ReadFile reads a policy file.
	ReadFile func(path string) ([]byte, error)
	// Defaults is an option list that counts less than anything given.
	Defaults string
}

// HostSystem asks this machine.
func HostSystem() System {
	return System{
		EUID:         uint32(os.Geteuid()),
		EGID:         uint32(os.Getegid()),
		Memory:       ReadMemory,
		UserID:       lookupUser,
		GroupID:      lookupGroup,
		PrimaryGroup: lookupPrimaryGroup,
		ReadFile:     readPolicyFile,
		Defaults:     testDefaults(),
	}
}

func lookupUser(name string) (uint32, bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, false
	}
	return parseID(u.Uid)
}

func lookupGroup(name string) (uint32, bool) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, false
	}
	return parseID(g.Gid)
}

func lookupPrimaryGroup(uid uint32) (uint32, bool) {
	u, err := user.LookupId(fmt.Sprint(uid))
	if err != nil {
		return 0, false
	}
	return parseID(u.Gid)
}

// maxPolicyFile bounds what is read of a policy file, in bytes.
const maxPolicyFile = 1 << 20

// readPolicyFile reads a regular file of bounded size. O_NONBLOCK keeps a FIFO in its place from hanging the mount.
func readPolicyFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPolicyFile+1))
	if len(text) > maxPolicyFile {
		return nil, fmt.Errorf("larger than %d bytes", maxPolicyFile)
	}
	return text, err
}
