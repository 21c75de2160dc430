package config

import "io/fs"

// UnifiedCgroups lists the directories, without the leading slash, of the calling process's cgroup in the unified
// hierarchy and of those above it; see cgroups(7). It lists none where there is no such hierarchy to see.
func UnifiedCgroups(root fs.FS) []string {
	var dirs []string
	for _, h := range memoryHierarchies(root) {
		if h.file == unifiedLimit {
			dirs = append(dirs, h.dirs()...)
		}
	}
	return dirs
}
