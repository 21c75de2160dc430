// Package policy holds the rules of a mount and decides, for one request at a
// time, whether it is allowed as asked, allowed in a changed form, or refused.
//
// # Purpose
//
// [Build] turns a profile, an optional policy file and command-line settings
// into one immutable [Policy]. Each operation of the filesystem that a rule may
// judge has one method on it: a request value goes in, a [Decision] comes out.
// The package is pure: no clock, no file, no system call, no knowledge of FUSE,
// of the tree or of the store. What it needs to know comes with the request.
//
// # Guarantees
//
//   - The same policy and request always give the same decision.
//   - A [Policy] never changes after Build. All methods are safe for concurrent
//     use, and none takes a lock.
//   - Each decision that changes or refuses names the [Rule] behind it, an errno
//     and a reason. Neither reason nor error ever holds what the caller sent, so
//     both may be logged.
//   - A safer profile never lets through what a weaker one refuses, and a file
//     never weakens a profile. Only a flag that names a rule does.
//   - Nothing is allocated to decide a request.
//   - Device nodes, POSIX ACLs and the security.* and trusted.* attributes are
//     refused by every profile, and under enforce=warn too.
//
// # Not guaranteed
//
//   - Requests are judged one by one. Whatever two requests do to each other in
//     between (a directory moved while a path is walked) is not seen here.
//   - Names are judged byte by byte and code point by code point. Look-alikes
//     (Cyrillic and Latin "a") and differing normal forms pass.
//   - Permission checks of an ordinary filesystem (may this uid write to that
//     directory) are the kernel's, through default_permissions.
//
// # Units
//
// Names and targets are counted in bytes, as in path_resolution(7). Modes are
// the permission bits of st_mode, at most 07777.
//
// # Errors
//
// Refusals are values, not errors, until [Decision.Err] makes a [*Violation] of
// them, which matches its errno through errors.Is. Settings that cannot be read
// give a [*ParseError] of one line. Each errno is one that the manual page of
// the system call documents for a filesystem that cannot do what was asked:
//
//	EPERM         node kind, link, mode, owner    symlink(2), link(2), mknod(2), chmod(2), chown(2)
//	EINVAL        name or flag not accepted       open(2), mkdir(2), rename(2)
//	ENAMETOOLONG  name above 255 bytes            path_resolution(7)
//	EXDEV         link into another directory     link(2)
//	EACCES        a stored link that now leaves   open(2), readlink(2)
//	EOPNOTSUPP    attribute namespace             xattr(7)
//	ERANGE, E2BIG attribute name, value too long  setxattr(2)
//
// # Kernel behaviour
//
// The kernel applies the umask before a create reaches the filesystem, always
// passes a file type with mknod, and never passes an empty name, ".", ".." or a
// name with a slash. Requests are judged as if it might.
package policy
