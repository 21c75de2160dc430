//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// pagesSize is some pages and a part of one; a mount of pagesRoom has hardly more.
const (
	pagesSize = 200*4096 + 100
	pagesRoom = "size=2m"
)

// handChanges move pages, or free those of one file and use them for another, in
// a directory with a file "secret" of markers, and return what the file "other"
// must hold then.
var handChanges = map[string]func(dir string, secret []byte) (other []byte, err error){
	"unlink, then extend": func(dir string, secret []byte) ([]byte, error) {
		if err := unix.Unlink(dir + "/secret"); err != nil {
			return nil, err
		}
		return make([]byte, pagesSize), withFile(dir+"/other", unix.O_CREAT|unix.O_WRONLY, func(fd int) error {
			return unix.Fallocate(fd, 0, 0, pagesSize)
		})
	},
	"unlink, then write a byte of each page": func(dir string, _ []byte) ([]byte, error) {
		if err := unix.Unlink(dir + "/secret"); err != nil {
			return nil, err
		}
		want := make([]byte, pagesSize)
		return want, withFile(dir+"/other", unix.O_CREAT|unix.O_WRONLY, func(fd int) error {
			for at := 99; at < pagesSize; at += 4096 {
				want[at] = 'x'
				if _, err := unix.Pwrite(fd, want[at:at+1], int64(at)); err != nil {
					return err
				}
			}
			return unix.Ftruncate(fd, pagesSize)
		})
	},
	"rename over": func(dir string, _ []byte) ([]byte, error) {
		if err := os.WriteFile(dir+"/other", []byte("short"), 0o600); err != nil {
			return nil, err
		}
		if err := unix.Rename(dir+"/other", dir+"/secret"); err != nil {
			return nil, err
		}
		if err := unix.Rename(dir+"/secret", dir+"/other"); err != nil {
			return nil, err
		}
		return append([]byte("short"), make([]byte, pagesSize-5)...), unix.Truncate(dir+"/other", pagesSize)
	},
	"truncate, then extend": func(dir string, secret []byte) ([]byte, error) {
		if err := unix.Rename(dir+"/secret", dir+"/other"); err != nil {
			return nil, err
		}
		if err := unix.Truncate(dir+"/other", 5000); err != nil {
			return nil, err
		}
		return append(bytes.Clone(secret[:5000]), make([]byte, pagesSize-5000)...), unix.Truncate(dir+"/other", pagesSize)
	},
	"punch": func(dir string, secret []byte) ([]byte, error) {
		if err := unix.Rename(dir+"/secret", dir+"/other"); err != nil {
			return nil, err
		}
		want := bytes.Clone(secret)
		clear(want[3000:60_000])
		return want, withFile(dir+"/other", unix.O_WRONLY, func(fd int) error {
			return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 3000, 57_000)
		})
	},
	"copy_file_range, then unlink": func(dir string, secret []byte) ([]byte, error) {
		err := withFile(dir+"/secret", unix.O_RDONLY, func(from int) error {
			return withFile(dir+"/other", unix.O_CREAT|unix.O_WRONLY, func(to int) error {
				at := int64(4000)
				n, err := unix.CopyFileRange(from, &at, to, nil, 6000, 0)
				if err == nil && n != 6000 {
					err = fmt.Errorf("%d bytes copied", n)
				}
				if err == nil {
					err = unix.Ftruncate(to, pagesSize)
				}
				return err
			})
		})
		if err != nil {
			return nil, err
		}
		return append(bytes.Clone(secret[4000:10_000]), make([]byte, pagesSize-6000)...), unix.Unlink(dir + "/secret")
	},
	"FICLONE is refused": func(dir string, _ []byte) ([]byte, error) {
		return []byte{}, withFile(dir+"/secret", unix.O_RDONLY, func(from int) error {
			return withFile(dir+"/other", unix.O_CREAT|unix.O_WRONLY, func(to int) error {
				if err := unix.IoctlFileClone(to, from); err != unix.EOPNOTSUPP && err != unix.ENOTTY {
					return fmt.Errorf("FICLONE: %v", err)
				}
				return nil
			})
		})
	},
}

// TestPagesChangeHands: pages that held one file's contents become another's, or
// a hole that is filled again, and never show what they held.
func TestPagesChangeHands(t *testing.T) {
	for _, encrypt := range []string{"off", "on"} {
		for _, cache := range []string{"cached", "direct"} {
			t.Run(fmt.Sprintf("encrypt=%s, %s", encrypt, cache), func(t *testing.T) {
				m := mountTest(t, options(pagesRoom, "encrypt="+encrypt, "cache="+cache))
				for name, change := range handChanges {
					require.NoError(t, as(m.owner, func() error { return changeHands(m.dir+"/d", newMarker(t), change) }), name)
				}
			})
		}
	}
}

func changeHands(dir string, m marker, change func(string, []byte) ([]byte, error)) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	secret := m.fill(pagesSize)
	if err := os.WriteFile(dir+"/secret", secret, 0o600); err != nil {
		return err
	}
	other, err := change(dir, secret)
	if err == nil && len(other) > 0 {
		err = readBack(dir+"/other", other)
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
