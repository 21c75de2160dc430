package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"safetmp/policy"
)

// Readlink answers readlink(2) and the following of a symlink. The policy is
// asked again, since a rename may have moved the link to where its target is no
// longer allowed. Errors: EINVAL for anything but a symlink, those of the
// policy. The target is the filesystem's own memory: it is to be read only, and
// while the kernel holds the inode.
func (f *FS) Readlink(_ <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	target, err := f.readlink(callerOf(h), h.NodeId)
	return viewName(target), toStatus(err)
}

func (f *FS) readlink(c caller, nodeid uint64) (string, error) {
	ino, err := f.inode(nodeid)
	if err != nil {
		return "", err
	}
	if ino.kindBits() != syscall.S_IFLNK {
		return "", syscall.EINVAL
	}
	ino.mu.Lock()
	target := ino.rareLocked().link
	ino.mu.Unlock()
	req := policy.SymlinkRequest{RawTarget: target, Depth: f.depth(ino.parent())}
	if err := f.judge(c, "readlink", "", f.policy.Readlink(req)); err != nil {
		return "", err
	}
	f.accessed(ino, 0)
	return target, nil
}
