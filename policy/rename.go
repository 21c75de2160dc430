package policy

import "syscall"

// The flags of renameat2(2).
const (
	renameNoReplace = 1 << 0
	renameExchange  = 1 << 1
	renameWhiteout  = 1 << 2
)

// RenameFlags decides about the flags of renameat2(2). RENAME_NOREPLACE and
// RENAME_EXCHANGE are allowed, though not together. RENAME_WHITEOUT would leave
// a character device behind and is EINVAL, like any flag that a filesystem does
// not support. The new name is judged by [Policy.Name].
func (p *Policy) RenameFlags(flags uint32) Decision {
	const op = "rename"
	switch {
	case flags&renameWhiteout != 0:
		return refuse(op, RuleDevices, syscall.EINVAL, "a whiteout is a device node")
	case flags&^(renameNoReplace|renameExchange) != 0:
		return refuse(op, RuleFilesystem, syscall.EINVAL, "unknown rename flag")
	case flags == renameNoReplace|renameExchange:
		return refuse(op, RuleFilesystem, syscall.EINVAL, "an exchange replaces on purpose")
	}
	return allow(op)
}
