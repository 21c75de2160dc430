package bench

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

func lockThread() { runtime.LockOSThread() }

// begin makes the folder of a thread and prepares its steps.
func (t *thread) begin(r Row) error {
	if err := os.MkdirAll(t.home, 0o700); err != nil {
		return err
	}
	if r.prepare == nil {
		return nil
	}
	return r.prepare(t)
}

// end undoes begin; what the mode keeps between cells stays.
func (t *thread) end(r Row) error {
	if t.fd >= 0 {
		if err := closeFD(t.fd); err != nil {
			return err
		}
	}
	if r.tidy != nil {
		return r.tidy(t)
	}
	return os.RemoveAll(t.home)
}

// pageAligned is memory that O_DIRECT takes, all of it present.
func pageAligned(size int) ([]byte, error) {
	buf, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return nil, err
	}
	for i := range buf {
		buf[i] = byte(i * 7)
	}
	return buf, nil
}
