//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"safetmp/internal/hosttest"
)

// wipeSizes go below, around and above a page and a request.
var wipeSizes = []int{16, 48, 100, 4096, 1 << 20, 5 << 20}

// wiping is one mount with a marked file of each size.
type wiping struct {
	m       *live
	markers []marker
	before  hosttest.Usage // before the files existed
}

func (w *wiping) path(i int) string { return filepath.Join(w.m.dir, fmt.Sprint("marked", i)) }

// each runs work as the owner for every file.
func (w *wiping) each(t testing.TB, work func(path string, content []byte) error) {
	t.Helper()
	require.NoError(t, as(w.m.owner, func() error {
		for i, m := range w.markers {
			if err := work(w.path(i), m.fill(wipeSizes[i])); err != nil {
				return fmt.Errorf("%d bytes: %w", wipeSizes[i], err)
			}
		}
		return nil
	}))
}

// mountMarked mounts, writes the files, reads them back and proves that a scan
// of the daemon finds each marker while they exist.
func mountMarked(t *testing.T, write func(path string, content []byte) error, opts ...mountOption) *wiping {
	t.Helper()
	needRoot(t)
	w := &wiping{m: mountTest(t, append([]mountOption{options("size=64m")}, opts...)...)}
	for range wipeSizes {
		w.markers = append(w.markers, newMarker(t))
	}
	require.NoError(t, as(w.m.owner, func() (err error) {
		w.before, err = hosttest.UsageOf(w.m.dir)
		return err
	}))
	w.each(t, write)
	w.each(t, readBack)
	found := scan(t, w.m.pid, w.markers...)
	for i, m := range w.markers {
		require.Positive(t, found.copies[m], "control: %d bytes are found while the file exists", wipeSizes[i])
	}
	return w
}

// readBack reads through the page cache, past it, and by mapping, so that the
// content passes through every buffer the daemon has.
func readBack(path string, content []byte) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	direct, err := unix.Mmap(-1, 0, (len(content)+4095)/4096*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer unix.Munmap(direct)
	n, err := unix.Pread(fd, direct, 0)
	if err != nil {
		return err
	}
	if !bytes.Equal(data, content) || !bytes.Equal(direct[:n], content) {
		return fmt.Errorf("read back something else: %d and %d bytes", len(data), n)
	}
	return nil
}

// isGone waits until the space is given back, where it is, and scans.
func (w *wiping) isGone(t *testing.T) {
	t.Helper()
	time.Sleep(50 * time.Millisecond) // for replies on their way
	found := forcedCore(t, w.m.pid, w.markers...)
	for i, m := range w.markers {
		assert.Zero(t, found.copies[m], "copies left of %d bytes", wipeSizes[i])
	}
	if t.Failed() {
		t.Logf("copies left:\n%s", found)
	}
}

func writePlainly(path string, content []byte) error { return os.WriteFile(path, content, 0o600) }

// settled waits until everything the files used is given back.
func (w *wiping) settled(t *testing.T) {
	t.Helper()
	t.Run("space comes back", func(t *testing.T) {
		become(t, w.m.owner)
		hosttest.SettlesTo(t, w.m.dir, w.before)
	})
}

// TestWipeOnDelete: however a file ends, nothing of it is left in the daemon.
func TestWipeOnDelete(t *testing.T) {
	for name, remove := range map[string]func(path string, content []byte) error{
		"unlink": func(path string, _ []byte) error { return unix.Unlink(path) },
		"rename over": func(path string, _ []byte) error {
			if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"unlink, then close": func(path string, _ []byte) error {
			fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Unlink(path)
		},
		"unlink of both links": func(path string, _ []byte) error {
			if err := unix.Link(path, path+".link"); err != nil {
				return err
			}
			if err := unix.Unlink(path); err != nil {
				return err
			}
			return unix.Unlink(path + ".link")
		},
		"remove by the listed name": func(path string, _ []byte) error {
			name := make([]byte, 100)
			n, err := unix.Getxattr(path, "user.safetmp.name", name)
			if err != nil {
				return err
			}
			return unix.Unlink(filepath.Join(filepath.Dir(path), string(name[:n])))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := mountMarked(t, writePlainly)
			w.each(t, remove)
			if name == "rename over" {
				w.each(t, func(path string, _ []byte) error { return unix.Unlink(path) })
			}
			w.settled(t)
			w.isGone(t)
		})
	}
}

// TestWipeOnChange: what a living file no longer holds is gone as well.
func TestWipeOnChange(t *testing.T) {
	for name, change := range map[string]func(path string, content []byte) error{
		"truncate":     func(path string, _ []byte) error { return unix.Truncate(path, 0) },
		"O_TRUNC":      func(path string, _ []byte) error { return tryOpen(path, unix.O_WRONLY|unix.O_TRUNC, 0) },
		"cut and grow": func(path string, content []byte) error { return cutAndGrow(path, int64(len(content))) },
		"punch":        punchAll,
		"overwrite":    func(path string, content []byte) error { return os.WriteFile(path, make([]byte, len(content)), 0o600) },
		"overwrite in place": func(path string, content []byte) error {
			fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			_, err = unix.Pwrite(fd, bytes.Repeat([]byte("other"), len(content))[:len(content)], 0)
			return err
		},
		"rename over": func(path string, content []byte) error {
			if err := os.WriteFile(path+".new", []byte("other"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := mountMarked(t, writePlainly)
			w.each(t, change)
			w.eventuallyGone(t)
			w.isGone(t)
		})
	}
}

// cutAndGrow leaves one byte, which is less than a marker.
func cutAndGrow(path string, size int64) error {
	if err := unix.Truncate(path, 1); err != nil {
		return err
	}
	return unix.Truncate(path, size)
}

func punchAll(path string, content []byte) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, int64(len(content)))
}

// eventuallyGone waits for what is overwritten in the background, where no
// count of used space tells when.
func (w *wiping) eventuallyGone(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if len(scan(t, w.m.pid, w.markers...).copies) == 0 {
			return
		}
	}
}

// TestWipeAfterEveryWrite: content that came in by other ways than write.
func TestWipeAfterEveryWrite(t *testing.T) {
	for name, write := range map[string]func(path string, content []byte) error{
		"mapping": writeMapped,
		"pieces":  writePieces,
		"direct":  writeDirect,
		"tmpfile": writeTmpfile,
		"append": func(path string, content []byte) error {
			return withFile(path, unix.O_CREAT|unix.O_WRONLY|unix.O_APPEND, func(fd int) error {
				_, err := unix.Write(fd, content)
				return err
			})
		},
		"twice": func(path string, content []byte) error {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				return err
			}
			return os.WriteFile(path, content, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := mountMarked(t, write)
			w.each(t, func(path string, _ []byte) error { return unix.Unlink(path) })
			w.settled(t)
			w.isGone(t)
		})
	}
}

func withFile(path string, flags int, work func(fd int) error) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return work(fd)
}

func writeMapped(path string, content []byte) error {
	return withFile(path, unix.O_CREAT|unix.O_RDWR, func(fd int) error {
		if err := unix.Ftruncate(fd, int64(len(content))); err != nil {
			return err
		}
		data, err := unix.Mmap(fd, 0, len(content), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return err
		}
		copy(data, content)
		if err := unix.Msync(data, unix.MS_SYNC); err != nil {
			return err
		}
		return unix.Munmap(data)
	})
}

// writePieces writes from the end to the start, in pieces that no page and no
// marker is a multiple of.
func writePieces(path string, content []byte) error {
	return withFile(path, unix.O_CREAT|unix.O_WRONLY, func(fd int) error {
		const piece = 4999
		for at := len(content) / piece * piece; at >= 0; at -= piece {
			if _, err := unix.Pwrite(fd, content[at:min(at+piece, len(content))], int64(at)); err != nil {
				return err
			}
		}
		return nil
	})
}

func writeDirect(path string, content []byte) error {
	return withFile(path, unix.O_CREAT|unix.O_WRONLY|unix.O_DIRECT, func(fd int) error {
		whole := (len(content) + 4095) / 4096 * 4096
		data, err := unix.Mmap(-1, 0, whole, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_PRIVATE)
		if err != nil {
			return err
		}
		defer unix.Munmap(data)
		copy(data, content)
		if _, err := unix.Pwrite(fd, data, 0); err != nil {
			return err
		}
		return unix.Ftruncate(fd, int64(len(content)))
	})
}

func writeTmpfile(path string, content []byte) error {
	return withFile(filepath.Dir(path), unix.O_TMPFILE|unix.O_WRONLY, func(fd int) error {
		if _, err := unix.Write(fd, content); err != nil {
			return err
		}
		return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
	})
}

// TestWipeOnOtherMounts: the same for a shared mount and for one that an
// ordinary user made.
func TestWipeOnOtherMounts(t *testing.T) {
	for name, opt := range map[string]mountOption{
		"shared":        options("shared"),
		"ordinary user": mountedBy(victim),
		"listing own":   options("listing=own"),
	} {
		t.Run(name, func(t *testing.T) {
			w := mountMarked(t, writePlainly, opt)
			w.each(t, func(path string, _ []byte) error { return unix.Unlink(path) })
			w.settled(t)
			w.isGone(t)
		})
	}
}

// TestWipeManyFiles overwrites and removes while others write: no page that
// changes hands shows what it held.
func TestWipeManyFiles(t *testing.T) {
	w := mountMarked(t, writePlainly)
	const rounds = 30
	for round := range rounds {
		w.each(t, func(path string, content []byte) error {
			if err := os.WriteFile(fmt.Sprint(path, ".", round), content, 0o600); err != nil {
				return err
			}
			if round%2 == 1 {
				return unix.Unlink(fmt.Sprint(path, ".", round-1))
			}
			return nil
		})
		if round%2 == 1 {
			w.each(t, func(path string, _ []byte) error { return unix.Unlink(fmt.Sprint(path, ".", round)) })
		}
	}
	w.each(t, func(path string, _ []byte) error { return unix.Unlink(path) })
	w.settled(t)
	w.isGone(t)
}
