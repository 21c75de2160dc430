package policy_test

import (
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"safetmp/policy"
)

func TestSymlinkInside(t *testing.T) {
	tests := []struct {
		below, target string
		inside        bool
	}{
		{"t", "a", true},
		{"t", "a/b/c", true},
		{"t", "./a", true},
		{"t", "a//b/./c/", true},
		{"t", ".", true},
		{"t/d", "..", true},
		{"t/d", "../", true},
		{"t/d", "../a", true},
		{"t/d", "./../a", true},
		{"t/d/e", "../../a", true},
		{"t/venv", "lib", true},                        // python -m venv: lib64
		{"t/app/node_modules/.bin", "../x/x.js", true}, // npm
		{"t", "..a", true},
		{"t", "...", true},
		{"t", "..", false},
		{"t", "../t/a", false}, // by its letters inside, by its path through the root
		{"t/d", "../..", false},
		{"t/d", "../../t/d/a", false},
		{"t/d", ".././../a", false},
		{"t/d", "..//..//a", false},
		{"t", "/t/a", false},
		{"t", "/", false},
		{"t", "//a", false},
		{"", "a", false},
		{"", ".", false},
		{"", "..", false},
		// ".." after a name climbs from wherever the name leads.
		{"t/d", "a/..", false},
		{"t/d/e", "a/../b", false},
		{"t/d/e", "../a/../b", false},
	}
	p := build(t, policy.ProfileCompat)
	for _, tt := range tests {
		t.Run(tt.below+" to "+tt.target, func(t *testing.T) {
			r := policy.SymlinkRequest{RawTarget: tt.target, Depth: depth(tt.below)}
			made, read := allowed, allowed
			if !tt.inside {
				made, read = refused(policy.RuleSymlinks, syscall.EPERM), refused(policy.RuleSymlinks, syscall.EACCES)
			}
			requireOutcome(t, made, p.Symlink(r))
			requireOutcome(t, read, p.Readlink(r))
		})
	}
}

// A link that was fine where it was made is refused where it would leave.
func TestSymlinkIsJudgedWhereItIs(t *testing.T) {
	p := build(t, policy.ProfileCompat)
	r := policy.SymlinkRequest{RawTarget: "../../a", Depth: 3}
	requireOutcome(t, allowed, p.Symlink(r))
	requireOutcome(t, allowed, p.Readlink(r))
	r.Depth = 2
	requireOutcome(t, refused(policy.RuleSymlinks, syscall.EACCES), p.Readlink(r))
}

// Links that are each accepted never add up to one that leaves: the walk below
// does what the kernel does, ".." after a link included.
func TestSymlinkChainsStayInside(t *testing.T) {
	p := build(t, policy.ProfileCompat)
	targets := []string{"x", "..", "../..", "../../..", "../x", "up", "x/up", "x/y/up/..", "up/../..", "out/..", "x/../..", "./up"}
	dirs := []string{"t", "t/x", "t/x/y"}
	accepted := 0
	for _, up := range targets {
		for _, out := range targets {
			links := map[string]string{}
			for _, dir := range dirs {
				for name, target := range map[string]string{"up": up, "out": out} {
					r := policy.SymlinkRequest{RawTarget: target, Depth: depth(dir)}
					if p.Symlink(r).Verdict == policy.Allow {
						links[dir+"/"+name] = target
					}
				}
			}
			for link := range links {
				accepted++
				end, ok := follow(links, path.Dir(link), links[link], 40)
				assert.True(t, !ok || end == "t" || strings.HasPrefix(end, "t/"), "%s leads to %q with %v", link, end, links)
			}
		}
	}
	assert.Greater(t, accepted, 100, "the test must try links")
}

// follow resolves a target in a directory as path_resolution(7) does and
// returns where it ends; false when there are too many links.
func follow(links map[string]string, dir, target string, budget int) (string, bool) {
	for _, component := range strings.Split(target, "/") {
		switch component {
		case "", ".":
			continue
		case "..":
			dir = path.Dir(dir)
			continue
		}
		next := path.Join(dir, component)
		if link, isLink := links[next]; isLink {
			if budget == 0 {
				return "", false
			}
			budget--
			var ok bool
			if next, ok = follow(links, dir, link, budget); !ok {
				return "", false
			}
		}
		dir = next
	}
	return dir, true
}

func TestSymlinkTargetForm(t *testing.T) {
	p := build(t, policy.ProfilePosix)
	symlink := func(target string) policy.Decision { return p.Symlink(policy.SymlinkRequest{RawTarget: target}) }
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.ENOENT), symlink(""))
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.EINVAL), symlink("a\x00b"))
	requireOutcome(t, allowed, symlink(strings.Repeat("a", 4095)))
	requireOutcome(t, refused(policy.RuleFilesystem, syscall.ENAMETOOLONG), symlink(strings.Repeat("a", 4096)))
	requireOutcome(t, allowed, symlink("a\x1b[2J"))
}

// A listing shows targets as it shows names.
func TestSymlinkTargetIsNameChecked(t *testing.T) {
	r := policy.SymlinkRequest{RawTarget: "a/b\x1b[2J", Depth: 1}
	requireOutcome(t, refused(policy.RuleNameCheck, syscall.EINVAL), build(t, policy.ProfileCompat).Symlink(r))
	r.RawTarget = "../-rf"
	r.Depth = 2
	requireOutcome(t, allowed, build(t, policy.ProfileCompat).Symlink(r))
	requireOutcome(t, refused(policy.RuleNameCheck, syscall.EINVAL), build(t, policy.ProfileStrict, "symlinks=inside").Symlink(r))
}

// depth is how many directories a path names.
func depth(below string) int {
	if below == "" {
		return 0
	}
	return 1 + strings.Count(below, "/")
}
