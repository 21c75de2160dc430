package bench

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Switch is a setting of the machine, Y or N, that benchmarks, tests and
// integration/rings.sh need to be Y at times, perhaps at once. Whoever needs it
// holds a shared lock on its file (flock(2)), and the last one sets it back: who
// finds it unlocked and Y leaves it and locks nothing. That question is asked by
// one at a time, who holds a lock on the folder.
type Switch struct {
	path string
	file *os.File // whose description has the lock
	was  bool     // it was Y, and stays so
}

// TurnOn has the setting at path be Y until Off. It fails where there is none,
// or where it may not be set.
func TurnOn(path string) (s *Switch, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s = &Switch{path: path, file: file}
	if err := s.lock(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if s.was {
		return s, nil
	}
	if err := s.set("Y"); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return s, nil
}

// lock takes the shared lock, unless the setting is Y by itself.
func (s *Switch) lock() error {
	folder, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := flock(folder, unix.LOCK_EX); err != nil {
		return err
	}
	if s.alone() {
		text, err := os.ReadFile(s.path)
		if err != nil {
			return err
		}
		if s.was = len(text) > 0 && text[0] == 'Y'; s.was {
			return flock(s.file, unix.LOCK_UN)
		}
	}
	return flock(s.file, unix.LOCK_SH)
}

// Off gives the setting back. It is to be called once.
func (s *Switch) Off() (err error) {
	if !s.was && s.alone() {
		err = s.set("N")
	}
	return errors.Join(err, s.file.Close())
}

// Alone reports whether nobody else is seen to need the setting, and keeps
// others waiting until Off if so: the caller may then change what they rely on.
func (s *Switch) Alone() (bool, error) {
	if s.alone() {
		return true, nil
	}
	if s.was {
		return false, nil
	}
	// The others may have taken the lock that was given up for the last one.
	return false, errors.Join(flock(s.file, unix.LOCK_SH), s.set("Y"))
}

// alone takes the lock for itself, or gives it up and reports that others have
// it.
func (s *Switch) alone() bool { return flock(s.file, unix.LOCK_EX|unix.LOCK_NB) == nil }

func (s *Switch) set(value string) error {
	file, err := os.OpenFile(s.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	return errors.Join(err, file.Close())
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
