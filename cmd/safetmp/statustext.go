package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"safetmp/internal/control"
)

// newTable aligns columns with two spaces between them.
func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 8, 2, ' ', 0) }

// writeList writes one line per mount.
func writeList(w io.Writer, list []listedStatus) error {
	table := newTable(w)
	fmt.Fprintln(table, "MOUNTPOINT\tOWNER\tPROFILE\tUSED\tSIZE\tFILES\tPID\tSTATE")
	for _, s := range list {
		if !s.Answering {
			fmt.Fprintf(table, "%s\t%s\t-\t-\t-\t-\t-\tno answer\n", clean(s.Mountpoint), ownerText(s.OwnerUID))
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", clean(s.Mountpoint), ownerText(s.OwnerUID), clean(s.Profile),
			sizeText(s.Bytes), sizeText(s.Limit), s.Entries, s.PID, stateText(s.Status))
	}
	return table.Flush()
}

// writeDetails writes everything about one mount.
func writeDetails(w io.Writer, s control.Status) error {
	table := newTable(w)
	for _, row := range [][2]string{
		{"mountpoint", s.Mountpoint},
		{"state", stateText(s)},
		{"owner", ownerText(s.OwnerUID) + ", " + accessText(s)},
		{"policy", policyText(s)},
		{"names", fmt.Sprintf("assigned: %s, listing: %s, scope: %s", s.Names, s.Listing, s.Scope)},
		{"memory", fmt.Sprintf("%s used of %s, %s being wiped", sizeText(s.Bytes), sizeText(s.Limit), sizeText(s.Wiping))},
		{"inodes", fmt.Sprintf("%d used of %d", s.Inodes, s.InodeLimit)},
		{"locked", yesNo(s.Locked, s.LockReason)},
		{"encrypted", yesNo(s.Encrypted, s.EncryptReason)},
		{"keys", keysText(s)},
		{"swap", swapText(s)},
		{"mount flags", flagsText(s)},
		{"lifetimes", lifetimesText(s)},
		{"input/output", fmt.Sprintf("%s, transport %s, %s", s.IOMode, transportText(s), s.CacheMode)},
		{"corrupt", fmt.Sprintf("%d requests met contents that were changed in memory", s.Corrupt)},
		{"refused", countsText(s.Refusals)},
		{"changed", countsText(s.Changes)},
		{"warned", countsText(s.Warnings)},
		{"removed", countsText(s.Removed)},
		{"daemon", fmt.Sprintf("pid %d, version %s, up %s", s.PID, s.Version, ageText(time.Since(s.Started)))},
	} {
		fmt.Fprintf(table, "%s:\t%s\n", row[0], clean(row[1]))
	}
	return table.Flush()
}

// transportText names the way requests come, and why it is not io_uring.
func transportText(s control.Status) string {
	if s.TransportReason == "" {
		return s.Transport
	}
	return fmt.Sprintf("%s (io_uring: %s)", s.Transport, s.TransportReason)
}

// stateText is the state in a word or two.
func stateText(s control.Status) string {
	switch {
	case s.Detached:
		return "detached: wiped when its last file is closed"
	case !s.Enforcing:
		return "not enforcing"
	case s.Profile == "posix":
		return "no rules"
	}
	return "ok"
}

func accessText(s control.Status) string {
	switch {
	case s.Shared:
		return "shared with other users"
	case s.ShareRoot:
		return "private, and root may enter"
	}
	return "private"
}

// policyText names a policy that does not protect plainly.
func policyText(s control.Status) string {
	switch {
	case !s.Enforcing:
		return s.Profile + ", only warning: nothing is refused"
	case s.Profile == "posix":
		return s.Profile + ": no rules but that there are no device nodes"
	}
	return s.Profile + ", enforced"
}

// keysText says where the keys of an encrypted mount lie.
func keysText(s control.Status) string {
	if !s.Encrypted {
		return "none"
	}
	return "in memory that is " + s.KeyMemory
}

// swapText says whether swap gets to see anything.
func swapText(s control.Status) string {
	switch {
	case s.Exposed:
		return "contents or keys may reach it, as was allowed"
	case s.Locked:
		return "out of reach: contents are locked in memory"
	case s.Unswappable:
		return "out of reach: contents are in memory that the kernel never swaps"
	case s.Encrypted:
		return "contents reach it encrypted only"
	}
	return "there was none when this was mounted"
}

// flagsText lists the mount flags in force.
func flagsText(s control.Status) string {
	var flags []string
	for _, f := range []struct {
		name string
		set  bool
	}{{"nosuid", s.NoSUID}, {"nodev", s.NoDev}, {"noexec", s.NoExec}, {"nosymfollow", s.NoSymfollow}} {
		if f.set {
			flags = append(flags, f.name)
		}
	}
	return strings.Join(flags, ",")
}

// lifetimesText lists the lifetimes in force.
func lifetimesText(s control.Status) string {
	var parts []string
	if s.TTL > 0 {
		parts = append(parts, "ttl "+spanText(s.TTL))
	}
	for _, rule := range []struct {
		name string
		set  bool
	}{{"delete on close", s.DeleteOnClose}, {"owner exit", s.OwnerExit}} {
		if rule.set {
			parts = append(parts, rule.name)
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "none")
}

// countsText lists counters by rule, "none" if all are zero.
func countsText(counts map[string]uint64) string {
	var parts []string
	for _, rule := range slices.Sorted(maps.Keys(counts)) {
		if counts[rule] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", rule, counts[rule]))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func yesNo(yes bool, reason string) string {
	text := "no"
	if yes {
		text = "yes"
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}

// ownerText is the user's name, or the number if it has none here.
func ownerText(uid uint32) string {
	number := fmt.Sprint(uid)
	if u, err := user.LookupId(number); err == nil {
		return clean(u.Username)
	}
	return number
}
