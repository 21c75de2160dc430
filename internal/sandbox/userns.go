package sandbox

import (
	"os"
	"path/filepath"
	"strings"
)

// userNamespaceSwitches are the settings that forbid user namespaces, with the value that does.
var userNamespaceSwitches = []struct{ file, forbids, hint string }{
	{"user/max_user_namespaces", "0", "sysctl user.max_user_namespaces is 0; as root: sysctl -w user.max_user_namespaces=15000"},
	{"kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone is 0; as root: sysctl -w kernel.unprivileged_userns_clone=1"},
	{"kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor restricts user namespaces; as root: an AppArmor profile with `userns,` for safetmp, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
}

// UserNamespaceHint says why user namespaces may not work on this machine, and what to do about it. procSys is
// /proc/sys.
func UserNamespaceHint(procSys string) string {
	for _, s := range userNamespaceSwitches {
		value, err := os.ReadFile(filepath.Join(procSys, s.file))
		if err == nil && strings.TrimSpace(string(value)) == s.forbids {
			return s.hint
		}
	}
	return "no sysctl forbids user namespaces here: a container's seccomp profile or a chroot may; run as root, or allow them there"
}
