package config

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Values of Options.Encrypt, KeyMemory, Cache and IO. The empty string stands for auto in each.
const (
	EncryptOn  = "on"
	EncryptOff = "off"

	KeysLocked = "locked"
	KeysSecret = "secret"

	CacheDirect = "direct"
	CacheCached = "cached"

	IOMemory      = "memory"
	IOPassthrough = "passthrough"
)

// choices are the values of the options that have a few, auto first.
var choices = map[string][]string{
	"encrypt":    {"auto", EncryptOn, EncryptOff},
	"key_memory": {"auto", KeysLocked, KeysSecret},
	"cache":      {"auto", CacheDirect, CacheCached},
	"io":         {"auto", IOMemory, IOPassthrough},
}

// choiceParser makes the parser of such an option; field is where its value goes.
func choiceParser(name string, field func(*Builder) *string) func(*Builder, string, string) error {
	return func(b *Builder, source, raw string) error {
		if !slices.Contains(choices[name], raw) {
			return badValue(source, raw, "a choice", oneOf(choices[name]))
		}
		*field(b) = strings.TrimPrefix(raw, "auto")
		b.choiceSource[name] = source
		return nil
	}
}

// secrecy is what a Builder collects about keeping contents out of swap and of the page cache.
type secrecy struct {
	encrypt, keyMemory, cache string
	io                        string
	choiceSource              map[string]string // the flag that gave each
	allowSwap                 bool
}

// finishSecrecy checks the choices against each other.
func (b *Builder) finishSecrecy(o *Options) error {
	if b.keyMemory != "" && b.encrypt == EncryptOff {
		return &UsageError{b.choiceSource["key_memory"], "there are no keys without encryption", "this option without encrypt=off"}
	}
	o.Encrypt, o.KeyMemory, o.Cache, o.AllowSwap = b.encrypt, b.keyMemory, b.cache, b.allowSwap
	return nil
}

// leastPassthrough is the smallest mount with passthrough, in bytes: of one page nothing could be set aside for names.
const leastPassthrough = 64 << 10

// finishIO checks what passthrough excludes: the kernel reads and writes contents where they lie, in pages that it counts for
// the mount as a whole.
func (b *Builder) finishIO(o *Options) error {
	o.IO = b.io
	if o.IO != IOPassthrough {
		return nil
	}
	source := b.choiceSource["io"]
	switch {
	case b.encrypt == EncryptOn:
		return &UsageError{source, "the kernel cannot read and write what is encrypted", "io=memory, or encrypt=off"}
	case b.keyMemory != "":
		return &UsageError{b.choiceSource["key_memory"], "there are no keys with passthrough", "this option with io=memory"}
	case b.cache != "":
		return &UsageError{b.choiceSource["cache"], "with passthrough there is no cache beside the contents", "this option with io=memory"}
	case ownShare(o.UserSizeBytes, o.SizeBytes) != 0:
		return &UsageError{source, "contents are not counted by user, and a shared mount has a share for each", "user_size=100% as well, or io=memory"}
	case o.SizeBytes < leastPassthrough:
		return &UsageError{b.sizeSource, "too small for passthrough", "at least 64k, or io=memory"}
	}
	return nil
}

// SwapPossible reports whether what this process keeps in memory may be written to swap: there is some (proc_swaps(5)), and the
// process's cgroup may use it (memory.swap.max). Where that cannot be read it is taken to be so. Swap that is switched on
// later is not foreseen.
func SwapPossible(root fs.FS) bool {
	for _, dir := range UnifiedCgroups(root) {
		if limit, err := fs.ReadFile(root, path.Join(dir, "memory.swap.max")); err == nil && strings.TrimSpace(string(limit)) == "0" {
			return false
		}
	}
	table, err := fs.ReadFile(root, "proc/swaps")
	if err != nil {
		return !noSwapAtAll(root)
	}
	return strings.Count(strings.TrimSpace(string(table)), "\n") > 0 // below the heading
}

// noSwapAtAll reports whether proc_meminfo(5) says so. A kernel without swap has no /proc/swaps.
func noSwapAtAll(root fs.FS) bool {
	table, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(table)) {
		if total, ok := strings.CutPrefix(line, "SwapTotal:"); ok {
			return strings.TrimSpace(total) == "0 kB"
		}
	}
	return false
}
