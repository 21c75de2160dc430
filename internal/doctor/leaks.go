package doctor

import (
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"strings"
)

// checkCore judges what becomes of core dumps: not the daemon's, which makes none, but those of the programs that work
// with the files, core(5).
func checkCore(s System) Check {
	c := Check{Name: "core dumps", Verdict: Note,
		Means: "the daemon dumps none; a program that crashes leaves what it had read or mapped of its files"}
	pattern, known := s.text("proc/sys/kernel/core_pattern")
	switch {
	case !known:
		c.Found = "not known: kernel.core_pattern cannot be read"
	case strings.HasPrefix(pattern, "|"):
		handler := path.Base(firstField(pattern[1:]))
		c.Found = "handed to " + handler + ", whatever ulimit -c says"
		c.Fix = handlerAdvice(handler)
	case pattern == "" || s.CoreLimit == 0:
		return Check{Name: c.Name, Verdict: Ok, Found: "off (ulimit -c)"}
	case strings.HasPrefix(pattern, "/"):
		c.Found = "written to " + path.Dir(pattern)
		c.Fix = "ulimit -c 0"
	default:
		c.Found = "written to the working directory of the program, as " + pattern
		c.Fix = "ulimit -c 0"
	}
	return c
}

func firstField(text string) string {
	if fields := strings.Fields(text); len(fields) > 0 {
		return fields[0]
	}
	return text
}

// handlerAdvice says how the usual handlers of core dumps are told not to store them.
func handlerAdvice(handler string) string {
	switch handler {
	case "systemd-coredump":
		return "Storage=none in /etc/systemd/coredump.conf"
	case "apport":
		return "as root: systemctl disable --now apport"
	}
	return "as root: sysctl -w kernel.core_pattern=core, then ulimit -c 0"
}

// checkInitOnFree judges whether the kernel overwrites what it frees: its page cache, and the pages of a daemon that
// was killed.
func checkInitOnFree(s System) Check {
	c := Check{Name: "init_on_free", Verdict: Note,
		Means: "what the kernel cached of files, and the memory of a daemon that is killed, is freed and overwritten only when it is used again",
		Fix:   "boot with init_on_free=1; it costs some speed of everything"}
	value, set := s.bootWord("init_on_free")
	byDefault, known := s.kernelOption("CONFIG_INIT_ON_FREE_DEFAULT_ON")
	switch {
	case set && switchedOn(value):
		return Check{Name: c.Name, Verdict: Ok, Found: "on, by the kernel's command line"}
	case set:
		c.Found = "off, by the kernel's command line"
	case byDefault:
		return Check{Name: c.Name, Verdict: Ok, Found: "on, by the kernel's configuration"}
	case known:
		c.Found = "off"
	default:
		c.Found = "not known, most likely off: the kernel's configuration cannot be read"
	}
	return c
}

// switchedOn reads a boolean as kstrtobool of the kernel does.
func switchedOn(value string) bool {
	switch strings.ToLower(value) {
	case "1", "y", "yes", "t", "true", "on":
		return true
	}
	return false
}

// kernelOption looks an option up in the kernel's configuration.
func (s System) kernelOption(name string) (yes, known bool) {
	text, known := s.kernelConfig()
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == name+"=y" {
			return true, true
		}
	}
	return false, known
}

// configMost bounds what is read of a kernel's configuration, in bytes; they have some 300 KiB.
const configMost = 8 << 20

// kernelConfig reads the configuration that the kernel carries, or the one that was installed with it.
func (s System) kernelConfig() (string, bool) {
	if f, err := s.Root.Open("proc/config.gz"); err == nil {
		defer f.Close()
		if unzip, err := gzip.NewReader(f); err == nil {
			text, err := io.ReadAll(io.LimitReader(unzip, configMost))
			return string(text), err == nil
		}
	}
	for _, name := range []string{"boot/config-" + s.Release, "usr/lib/modules/" + s.Release + "/config"} {
		if text, ok := s.text(name); ok {
			return text, true
		}
	}
	return "", false
}

// checkCgroup judges what the caller's memory cgroup leaves.
func checkCgroup(s System) Check {
	c := Check{Name: "memory cgroup", Verdict: Ok, Found: "no limit below the machine's memory"}
	if s.Memory.Limit > 0 && s.Memory.Limit < s.Memory.RAM {
		c.Verdict = Note
		c.Found = fmt.Sprintf("limit %s of %s", bytesText(uint64(s.Memory.Limit)), bytesText(uint64(s.Memory.RAM)))
		c.Means = fmt.Sprintf("the default size is %s, half of it; with run, the workload's own memory comes out of the same limit",
			bytesText(uint64(s.defaultSize())))
	}
	return c
}

// checkTracing judges whether processes of one uid may trace each other, ptrace(2).
func checkTracing(s System) Check {
	c := Check{Name: "ptrace", Verdict: Ok}
	scope, known := s.text("proc/sys/kernel/yama/ptrace_scope")
	if known && scope != "0" {
		c.Found = "restricted: kernel.yama.ptrace_scope=" + scope
		return c
	}
	c.Verdict, c.Found = Note, "unrestricted: kernel.yama.ptrace_scope=0"
	c.Fix = "as root: sysctl -w kernel.yama.ptrace_scope=1"
	if !known {
		c.Found, c.Fix = "unrestricted: the kernel has no Yama", "a kernel with Yama; or another uid for each workload"
	}
	c.Means = "any process of yours can read the memory of the programs that use the files; not of the daemon, which is not dumpable"
	return c
}

// checkLinks judges the sysctls that protect shared directories, such as the one a mountpoint lies in, proc_sys_fs(5).
func checkLinks(s System) Check {
	c := Check{Name: "fs.protected_*", Verdict: Ok, Found: "on"}
	var off []string
	for _, name := range []string{"symlinks", "hardlinks", "fifos", "regular"} {
		if value, _ := s.text("proc/sys/fs/protected_" + name); value == "0" || value == "" {
			off = append(off, name)
		}
	}
	if len(off) > 0 {
		c.Verdict, c.Found = Note, "off: "+strings.Join(off, ", ")
		c.Means = "a safetmp mount does not depend on them; directories like /tmp itself do"
		c.Fix = "as root: sysctl -w fs.protected_" + off[0] + "=1, and so on"
	}
	return c
}
