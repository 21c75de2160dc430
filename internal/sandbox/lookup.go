package sandbox

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultPath is where execvp(3) looks when PATH is not set.
const defaultPath = "/bin:/usr/bin"

// LookPath finds the file of a command as execvp(3) does: a name with a slash is taken as it is, another one is looked
// for in path, where an empty element is the working directory; exec.LookPath differs in the latter. A directory that
// may not be searched holds nothing, as shells have it.
//
// Errors: *Error with StatusNotFound or StatusNotExecutable.
func LookPath(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, executionError(name, executable(name))
	}
	if path == "" {
		path = defaultPath
	}
	err := error(unix.ENOENT)
	for dir := range strings.SplitSeq(path, ":") {
		file := filepath.Join(dir, name)
		if !filepath.IsAbs(file) {
			file = "./" + file
		}
		switch e := executable(file); {
		case name == "":
		case e == nil:
			return file, nil
		case unix.Access(file, unix.F_OK) == nil:
			err = e // found, but
		}
	}
	return "", executionError(name, err)
}

// executable checks a file by its type and mode, as the caller's effective ids see it.
func executable(file string) error {
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.EISDIR
	}
	return unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS)
}

// executionError turns the errno of a search or of execve(2) into the status that shells use.
func executionError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return &Error{Status: StatusNotFound, Message: fmt.Sprintf("%s: command not found", name)}
	}
	return &Error{Status: StatusNotExecutable, Message: fmt.Sprintf("%s: %v", name, err)}
}
