package fs

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/assert"

	"safetmp/memstore"
	"safetmp/policy"
)

func TestErrnoOfEveryKind(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want fuse.Status
	}{
		{"success", nil, fuse.OK},
		{"errno", syscall.ENOTEMPTY, fuse.Status(syscall.ENOTEMPTY)},
		{"wrapped errno", fmt.Errorf("rename: %w", syscall.ENOSPC), fuse.Status(syscall.ENOSPC)},
		{"no space", memstore.ErrNoSpace, fuse.Status(syscall.ENOSPC)},
		{"no inodes", memstore.ErrNoInodes, fuse.Status(syscall.ENOSPC)},
		{"owner's share", memstore.ErrQuota, fuse.Status(syscall.EDQUOT)},
		{"too big", memstore.ErrFileTooBig, fuse.Status(syscall.EFBIG)},
		{"no data", memstore.ErrNoData, fuse.Status(syscall.ENXIO)},
		{"invalid", memstore.ErrInvalid, fuse.EINVAL},
		{"not locked, which no request causes", memstore.ErrNotLocked, fuse.EIO},
		{"corrupt", &memstore.CorruptError{Page: 7}, fuse.EIO},
		{"violation", &policy.Violation{Rule: policy.RuleSymlinks, Errno: syscall.EPERM}, fuse.EPERM},
		{"wrapped violation", fmt.Errorf("x: %w", &policy.Violation{Errno: syscall.EOPNOTSUPP}), fuse.Status(syscall.EOPNOTSUPP)},
		{"unknown", errors.New("what"), fuse.EIO},
		{"errno zero is no success", fmt.Errorf("x: %w", syscall.Errno(0)), fuse.EIO},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, toStatus(tc.err))
			if tc.err != nil {
				assert.Equal(t, tc.want, toStatus(fmt.Errorf("twice: %w", fmt.Errorf("wrapped: %w", tc.err))))
			}
		})
	}
}
