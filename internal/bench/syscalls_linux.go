package bench

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cpath is a path as the kernel takes it, with a NUL at its end. The calls below
// are raw: the worker has a thread and a processor of the scheduler for each of
// its goroutines, and neither collector nor preemption.
type cpath []byte

func makePath(s string) cpath { return append([]byte(s), 0) }

// digits is how long the number is that numbered leaves room for.
const digits = 8

// numbered is a path that ends with a number; see setNumber.
func numbered(prefix string) cpath { return makePath(prefix + "00000000") }

// setNumber writes n, modulo 10^8, at the end of a path made by numbered.
func (p cpath) setNumber(n int) {
	for at := len(p) - 2; at > len(p)-2-digits; at-- {
		p[at] = byte('0' + n%10)
		n /= 10
	}
}

func (p cpath) ptr() uintptr { return uintptr(unsafe.Pointer(&p[0])) }

// cwd is AT_FDCWD as an argument.
const cwd = ^uintptr(99)

func result(n uintptr, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func done(_ uintptr, _ uintptr, errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

func open(p cpath, flags int, mode uint32) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, cwd, p.ptr(), uintptr(flags|unix.O_CLOEXEC), uintptr(mode), 0, 0)
	return result(n, errno)
}

func closeFD(fd int) error { return done(unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)) }

func pread(fd int, buf []byte, off int64) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_PREAD64, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), uintptr(off), 0, 0)
	return result(n, errno)
}

func pwrite(fd int, buf []byte, off int64) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_PWRITE64, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), uintptr(off), 0, 0)
	return result(n, errno)
}

func write(fd int, buf []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	return result(n, errno)
}

func unlink(p cpath) error { return done(unix.RawSyscall(unix.SYS_UNLINKAT, cwd, p.ptr(), 0)) }

func rmdir(p cpath) error {
	return done(unix.RawSyscall(unix.SYS_UNLINKAT, cwd, p.ptr(), unix.AT_REMOVEDIR))
}

func mkdir(p cpath) error { return done(unix.RawSyscall(unix.SYS_MKDIRAT, cwd, p.ptr(), 0o700)) }

func chmod(p cpath, mode uint32) error {
	return done(unix.RawSyscall(unix.SYS_FCHMODAT, cwd, p.ptr(), uintptr(mode)))
}

func rename(from, to cpath) error {
	return done(unix.RawSyscall6(unix.SYS_RENAMEAT2, cwd, from.ptr(), cwd, to.ptr(), 0, 0))
}

// stat asks for what stat(2) shows, by statx(2), which every architecture has.
func stat(p cpath, st *unix.Statx_t) error {
	return done(unix.RawSyscall6(unix.SYS_STATX, cwd, p.ptr(), 0, unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(st)), 0))
}

func getdents(fd int, buf []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_GETDENTS64, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	return result(n, errno)
}

// eachName calls do with each name that getdents left in buf, NUL included.
func eachName(buf []byte, do func(name cpath) error) error {
	for len(buf) > 0 {
		d := (*unix.Dirent)(unsafe.Pointer(&buf[0]))
		name := buf[unsafe.Offsetof(d.Name):d.Reclen]
		end := 0
		for name[end] != 0 {
			end++
		}
		if err := do(cpath(name[:end+1])); err != nil {
			return err
		}
		buf = buf[d.Reclen:]
	}
	return nil
}
