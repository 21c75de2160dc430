package doctor

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

const swapfile = "/swapfile                               file\t\t2097148\t\t0\t\t-2"

// rootOn mounts the root filesystem from a device.
func (m *machine) rootOn(number, source string) {
	m.file("proc/self/mountinfo", "21 1 "+number+" / / rw,relatime shared:1 - ext4 "+source+" rw\n"+
		"30 21 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n")
}

// crypt makes a device one of dm-crypt.
func (m *machine) crypt(device string) {
	m.file("sys/class/block/"+device+"/dm/uuid", "CRYPT-LUKS2-0123-"+device+"\n")
}

// logical makes a device a logical volume on others.
func (m *machine) logical(device string, below ...string) {
	m.file("sys/class/block/"+device+"/dm/uuid", "LVM-xyz\n")
	for _, b := range below {
		m.file("sys/class/block/"+device+"/slaves/"+b, "")
	}
}

func TestMediumOfSwap(t *testing.T) {
	cases := map[string]struct {
		change func(*machine)
		found  string
		plain  bool
	}{
		"none":            {func(*machine) {}, "none", false},
		"partition":       {(*machine).withPlainSwap, "/dev/sda2 (partition, not encrypted)", true},
		"dm-crypt":        {func(m *machine) { m.swap("/dev/dm-1 partition 4 0 -2"); m.crypt("dm-1") }, "/dev/dm-1 (partition, encrypted)", false},
		"by mapper name":  {mapperSwap, "/dev/mapper/cryptswap (partition, encrypted)", false},
		"LVM on dm-crypt": {func(m *machine) { m.swap("/dev/dm-1 partition 4 0 -2"); m.logical("dm-1", "dm-0"); m.crypt("dm-0") }, "encrypted)", false},
		"LVM half on it": {func(m *machine) {
			m.swap("/dev/dm-2 partition 4 0 -2")
			m.logical("dm-2", "dm-0", "sda3")
			m.crypt("dm-0")
		}, "not encrypted", true},
		"LVM in a circle": {func(m *machine) { m.swap("/dev/dm-1 partition 4 0 -2"); m.logical("dm-1", "dm-1") }, "not encrypted", true},
		"zram":            {func(m *machine) { m.swap("/dev/zram0 partition 4 0 100") }, "in RAM", false},
		"zram, no backing": {func(m *machine) {
			m.swap("/dev/zram0 partition 4 0 100")
			m.file("sys/class/block/zram0/backing_dev", "none\n")
		}, "in RAM", false},
		"zram writes back": {func(m *machine) {
			m.swap("/dev/zram0 partition 4 0 100")
			m.file("sys/class/block/zram0/backing_dev", "/dev/sda3\n")
		}, "not encrypted", true},
		"zram writes back to dm-crypt": {func(m *machine) {
			m.swap("/dev/zram0 partition 4 0 100")
			m.file("sys/class/block/zram0/backing_dev", "/dev/dm-0\n")
			m.crypt("dm-0")
		}, "encrypted)", false},
		"file": {func(m *machine) {
			m.swap(swapfile)
			m.rootOn("8:1", "/dev/sda1")
			m.link("sys/dev/block/8:1", "../../devices/pci/block/sda/sda1")
		}, "/swapfile (file, not encrypted)", true},
		"file on dm-crypt": {func(m *machine) {
			m.swap(swapfile)
			m.rootOn("254:0", "/dev/mapper/root")
			m.link("sys/dev/block/254:0", "../../devices/virtual/block/dm-0")
			m.crypt("dm-0")
		}, "/swapfile (file, encrypted)", false},
		"file on btrfs on dm-crypt": {func(m *machine) {
			m.swap(swapfile)
			m.rootOn("0:22", "/dev/mapper/root")
			m.link("dev/mapper/root", "../dm-0")
			m.crypt("dm-0")
		}, "encrypted)", false},
		"file on who knows what": {func(m *machine) { m.swap(swapfile); m.rootOn("0:40", "overlay") }, "not encrypted", true},
		"odd name, deleted": {func(m *machine) {
			m.swap(`/a\040b\134\040(deleted) file 4 0 -2`)
			m.rootOn("8:1", "/dev/sda1")
		}, `/a b\ (file, not encrypted)`, true},
		"one of two": {func(m *machine) {
			m.swap("/dev/zram0 partition 4 0 100", "/dev/sda2 partition 4 0 -2")
		}, "/dev/zram0 (partition, in RAM), /dev/sda2 (partition, not encrypted)", true},
		"unreadable":        {func(m *machine) { delete(m.files, "proc/swaps") }, "not known", true},
		"unreadable, total": {func(m *machine) { delete(m.files, "proc/swaps"); m.file("proc/meminfo", "SwapTotal:  4 kB\n") }, "not known", true},
		"kernel without": {func(m *machine) {
			delete(m.files, "proc/swaps")
			m.file("proc/meminfo", "MemTotal: 9 kB\nSwapTotal:   0 kB\n")
		}, "none", false},
		"forbidden": {func(m *machine) {
			m.withPlainSwap()
			m.rootOn("8:1", "/dev/sda1")
			m.file("proc/self/cgroup", "0::/user.slice/job\n")
			m.file("sys/fs/cgroup/user.slice/memory.swap.max", "0\n")
		}, "forbidden", false},
		"limited": {func(m *machine) {
			m.withPlainSwap()
			m.rootOn("8:1", "/dev/sda1")
			m.file("proc/self/cgroup", "0::/job\n")
			m.file("sys/fs/cgroup/job/memory.swap.max", "4096\n")
		}, "not encrypted", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := healthy()
			c.change(m)
			m.cannotLock()
			got := find(t, Examine(m.System), "swap")
			assert.Contains(t, got.Found, c.found)
			assert.Equal(t, c.plain, got.Verdict == Warn, "%s: %s", got.Verdict, got.Found)
		})
	}
}

func mapperSwap(m *machine) {
	m.swap("/dev/mapper/cryptswap partition 4 0 -2")
	m.link("dev/mapper/cryptswap", "../dm-3")
	m.crypt("dm-3")
}

// Swap and locking are judged together: only memory that can be swapped out in the clear breaks the promise.
func TestSwapAndLocking(t *testing.T) {
	cases := map[string]struct {
		swap, locks, encrypts bool
		swapVerdict, lock     Verdict
		advice                string // of the finding on swap
	}{
		"no swap, locked":          {false, true, false, Ok, Ok, ""},
		"no swap, not locked":      {false, false, false, Ok, Note, ""},
		"swap, locked":             {true, true, false, Note, Ok, "stay out of it"},
		"swap, not locked":         {true, false, false, Warn, Warn, "in the clear"},
		"swap, encrypted instead":  {true, false, true, Note, Note, "encrypted only"},
		"swap, locked, encryption": {true, true, true, Note, Ok, "stay out of it"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := healthy()
			m.Encrypts = c.encrypts
			if c.swap {
				m.withPlainSwap()
			}
			if !c.locks {
				m.cannotLock()
			}
			r := Examine(m.System)
			swap, lock := find(t, r, "swap"), find(t, r, "locked memory")
			assert.Equal(t, c.swapVerdict, swap.Verdict)
			assert.Contains(t, swap.Means, c.advice)
			assert.Equal(t, c.lock, lock.Verdict)
			if !c.locks {
				assert.Contains(t, lock.Found, "8 MiB")
			}
			assert.Equal(t, c.swapVerdict != Warn, r.Kept())
			assert.True(t, r.Usable())
		})
	}
}

func TestHibernation(t *testing.T) {
	cases := map[string]struct {
		change  func(*machine)
		verdict Verdict
		found   string
	}{
		"no state file":      {func(m *machine) { delete(m.files, "sys/power/state") }, Ok, "not available"},
		"not available":      {(*machine).withPlainSwap, Ok, "not available"},
		"no swap":            {func(m *machine) { m.hibernates() }, Ok, "no swap"},
		"plain, no resume":   {func(m *machine) { m.hibernates(); m.withPlainSwap() }, Note, "not set up"},
		"plain, resume zero": {func(m *machine) { m.hibernates(); m.withPlainSwap(); m.file("sys/power/resume", "0:0\n") }, Note, "not set up"},
		"plain, resume":      {func(m *machine) { m.hibernates(); m.withPlainSwap(); m.file("sys/power/resume", "8:2\n") }, Warn, "not encrypted"},
		"plain, resume word": {func(m *machine) { m.hibernates(); m.withPlainSwap(); m.file("proc/cmdline", "resume=/dev/sda2") }, Warn, "not encrypted"},
		"encrypted, resume":  {func(m *machine) { m.hibernates(); mapperSwap(m); m.file("sys/power/resume", "254:3\n") }, Ok, "encrypted"},
		"zram, resume": {func(m *machine) {
			m.hibernates()
			m.swap("/dev/zram0 partition 4 0 1")
			m.file("sys/power/resume", "8:2")
		}, Ok, "in RAM"},
		"locking helps not": {func(m *machine) {
			m.hibernates()
			m.withPlainSwap()
			m.Encrypts = true
			m.file("sys/power/resume", "8:2\n")
		}, Warn, "not encrypted"},
		"noresume of a word?": {func(m *machine) { m.hibernates(); m.withPlainSwap(); m.file("proc/cmdline", "noresume=1") }, Note, "not set up"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := healthy()
			c.change(m)
			got := find(t, Examine(m.System), "hibernation")
			assert.Equal(t, c.verdict, got.Verdict)
			assert.Contains(t, got.Found, c.found)
		})
	}
}

// hibernates makes a machine one that can.
func (m *machine) hibernates() { m.file("sys/power/state", "freeze mem disk\n") }
