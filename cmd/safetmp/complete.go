package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"safetmp/internal/config"
	"safetmp/internal/mount"
)

// completeOptions has the shell complete the values of the flags that a config.Builder defined.
func completeOptions(cmd *cobra.Command) {
	for _, o := range config.Completions() {
		if o.Files {
			continue // what the shell does by itself
		}
		// It fails for a flag that does not exist alone, and those of the Builder do.
		_ = cmd.RegisterFlagCompletionFunc(o.Flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return o.Values(), cobra.ShellCompDirectiveNoFileComp
		})
	}
	_ = cmd.RegisterFlagCompletionFunc("options", completeList)
}

// completeList completes the last option of a list after -o.
func completeList(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	done := typed[:strings.LastIndexByte(typed, ',')+1]
	var words []string
	for _, word := range config.ListWords() {
		words = append(words, done+word)
	}
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeDirectory completes the one argument of `mount`.
func completeDirectory(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completeMountpoint completes the one argument of the commands for a mount: the caller's mounts, for root all.
func completeMountpoint(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	entries, err := mount.Entries()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var dirs []string
	for _, e := range entries {
		if ofCaller(e) {
			dirs = append(dirs, e.Mountpoint)
		}
	}
	return dirs, cobra.ShellCompDirectiveNoFileComp
}

// completeCommand completes the command of `run` by what is executable in PATH, its arguments as files.
func (a *app) completeCommand(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || strings.Contains(typed, "/") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, dir := range filepath.SplitList(a.getenv("PATH")) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), typed) && isExecutable(filepath.Join(dir, e.Name())) {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}

// isExecutable reports whether somebody may execute a file.
func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
