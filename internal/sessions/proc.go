package sessions

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// process is one process at one time.
type process struct {
	pid     int
	session int
	start   uint64 // clock ticks after boot; a number used again has another one
	dead    bool   // a zombie, or on the way to be none
}

// Fields of proc_pid_stat(5), counted from the state, which follows the name.
const (
	fieldState   = 0
	fieldSession = 3
	fieldStart   = 19
)

// look reads what /proc tells of a process; false if that is nothing.
func look(pid int) (process, bool) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return process{}, false
	}
	defer unix.Close(fd)
	var buf [1024]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil || n <= 0 {
		return process{}, false
	}
	return parse(pid, buf[:n])
}

// parse reads a line of proc_pid_stat(5). The name in parentheses may hold
// anything, further parentheses as well.
func parse(pid int, line []byte) (process, bool) {
	end := bytes.LastIndexByte(line, ')')
	if end < 0 {
		return process{}, false
	}
	fields := bytes.Fields(line[end+1:])
	if len(fields) <= fieldStart {
		return process{}, false
	}
	session, err1 := strconv.Atoi(string(fields[fieldSession]))
	start, err2 := strconv.ParseUint(string(fields[fieldStart]), 10, 64)
	if err1 != nil || err2 != nil {
		return process{}, false
	}
	state := fields[fieldState][0]
	return process{pid: pid, session: session, start: start, dead: state == 'Z' || state == 'X' || state == 'x'}, true
}

// everybody finds a living process of every session; false if /proc cannot be
// listed.
func everybody() (map[int]process, bool) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, false
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, false
	}
	found := map[int]process{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := look(pid); ok && !p.dead {
			found[p.session] = p
		}
	}
	return found, true
}
