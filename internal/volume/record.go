package volume

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// format is the version of the records. A Manager reads its own version only: another one may have meant something else.
const format = 1

// recordMost bounds a record, in bytes.
const recordMost = 256 << 10

const (
	recordSuffix = ".json"
	asideSuffix  = ".bad"
)

// record is a volume as the state folder keeps it: a file of its own, NAME.json. Immutable: a change is a new record.
type record struct {
	Format     int               `json:"format"`
	Name       string            `json:"name"`
	Mountpoint string            `json:"mountpoint"`
	Options    map[string]string `json:"options"`
	Created    time.Time         `json:"created"`

	// Boot names the boot of the kernel in which the rest was true, see proc_sys_kernel(5).
	Boot string `json:"boot"`
	// Users are those who have it mounted, each once.
	Users []string `json:"users,omitempty"`
	// Device and Socket are those of the daemon; empty if none was started, or if the Manager was killed meanwhile.
	Device string `json:"device,omitempty"`
	Socket string `json:"socket,omitempty"`
	// Started is when the daemon started. After its death the kernel gives its device number, and with it the name of its
	// socket, to the next mount of anybody; no other daemon started at the same time.
	Started time.Time `json:"started,omitzero"`
}

func (r record) definition() Definition {
	return Definition{Name: r.Name, Mountpoint: r.Mountpoint, Options: r.Options}
}

// devices are device numbers as mountinfo(5) writes them.
var devices = regexp.MustCompile(`^[0-9]{1,10}:[0-9]{1,10}$`)

// check says what is wrong with a record that was read under a name. placed says where a mountpoint may be.
func (r record) check(name string, placed func(Definition) error) error {
	switch {
	case r.Format != format:
		return fmt.Errorf("format %d, not %d", r.Format, format)
	case r.Name != name || !names.MatchString(name):
		return fmt.Errorf("name %.64q", r.Name)
	case r.Device != "" && !devices.MatchString(r.Device):
		return fmt.Errorf("device %.64q", r.Device)
	case r.Socket != "" && (!filepath.IsAbs(r.Socket) || filepath.Clean(r.Socket) != r.Socket):
		return fmt.Errorf("socket %.64q", r.Socket)
	}
	return placed(r.definition())
}

// folder is the state folder.
type folder struct{ path string }

// openFolder makes the folder, or checks that nobody else can write to the one that is there.
func openFolder(path string) (folder, error) {
	for _, dir := range []string{path, filepath.Join(path, mountsName), filepath.Join(path, recordsName)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return folder{}, err
		}
		var stat unix.Stat_t
		if err := unix.Lstat(dir, &stat); err != nil {
			return folder{}, &os.PathError{Op: "stat", Path: dir, Err: err}
		}
		if stat.Mode&unix.S_IFMT != unix.S_IFDIR || int(stat.Uid) != os.Geteuid() || stat.Mode&0o022 != 0 {
			return folder{}, fmt.Errorf("%s: has to be a directory that only uid %d can write to", dir, os.Geteuid())
		}
	}
	return folder{path}, nil
}

// Folders within the state folder.
const (
	mountsName  = "mounts"
	recordsName = "volumes"
)

// mountpoint is where a volume without a place of its own is mounted.
func (f folder) mountpoint(name string) string { return filepath.Join(f.path, mountsName, name) }

func (f folder) file(name string) string {
	return filepath.Join(f.path, recordsName, name+recordSuffix)
}

// write replaces the record at once or not at all.
func (f folder) write(r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return renameio.WriteFile(f.file(r.Name), append(text, '\n'), 0o600)
}

func (f folder) remove(name string) error {
	err := os.Remove(f.file(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// read reads the record of a name.
func (f folder) read(name string) (record, error) {
	file, err := os.OpenFile(f.file(name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return record{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return record{}, err
	}
	if !info.Mode().IsRegular() {
		return record{}, errors.New("not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(file, recordMost+1))
	if err != nil {
		return record{}, err
	}
	return parse(text)
}

// parse reads the text of a record, which may be anything.
func parse(text []byte) (record, error) {
	if len(text) > recordMost {
		return record{}, fmt.Errorf("more than %d bytes", recordMost)
	}
	var r record
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return record{}, err
	}
	if decoder.More() {
		return record{}, errors.New("more than one record")
	}
	return r, nil
}

// list lists the names of records, and removes what a write that was killed has left.
func (f folder) list() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(f.path, recordsName))
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), recordSuffix)
		switch {
		case strings.HasPrefix(e.Name(), "."):
			_ = os.Remove(filepath.Join(f.path, recordsName, e.Name()))
		case ok:
			found = append(found, name)
		}
	}
	return found, nil
}

// setAside keeps a record that does not hold out of the way, for a person to look at.
func (f folder) setAside(name string) { _ = os.Rename(f.file(name), f.file(name)+asideSuffix) }

// bootID names the running boot, empty if the kernel does not tell.
func bootID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}
