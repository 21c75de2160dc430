package fuseconn

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// possibleCPUs counts the processors that the kernel has a queue for: those
// that may ever be switched on, not those that are, or that we may use.
func possibleCPUs() (int, error) {
	const file = "/sys/devices/system/cpu/possible"
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	n, ok := countCPUs(strings.TrimSpace(string(text)))
	if !ok {
		return 0, fmt.Errorf("%s: %q is no list of processors", file, text)
	}
	return n, nil
}

// countCPUs counts what a list such as "0-3,8" names (cpuset(7), list format).
func countCPUs(list string) (n int, ok bool) {
	const most = 1 << 16
	for _, part := range strings.Split(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(first, 10, 16)
		b, errB := strconv.ParseUint(last, 10, 16)
		if errA != nil || errB != nil || b < a {
			return 0, false
		}
		n += int(b-a) + 1
	}
	return n, n <= most
}

// pin keeps the calling thread on one processor, so that it shares it with the
// callers whose requests it serves and needs no interrupt to be woken. It is no
// fault if that cannot be had: the processor is off, or not ours.
func pin(cpu int) {
	var set unix.CPUSet
	set.Set(cpu)
	_ = unix.SchedSetaffinity(0, &set)
}
