package volume

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"safetmp/internal/config"
)

// names are those that Docker accepts for volumes of its own, and that Kubernetes makes.
var names = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`)

// Definition says what a volume is.
type Definition struct {
	Name string
	// Mountpoint is where it is mounted: an absolute path below Config.Targets, or empty for a folder of the Manager's
	// own.
	Mountpoint string
	// Options are those of `safetmp mount`, as pairs of texts.
	Options map[string]string
}

// same reports whether two definitions mean the same volume.
func (d Definition) same(e Definition) bool {
	return d.Name == e.Name && d.Mountpoint == e.Mountpoint && maps.Equal(d.Options, e.Options)
}

// notForVolumes are options of a mount that a volume does not have, with the reason.
var notForVolumes = map[string]string{
	"policy":  "refused: a volume reads no file of the host; set rules one by one",
	"private": "refused: the engine enters as root; share_with_root with uid keeps everybody else out",
	"fsname":  "refused: the source of a volume's mount is its name",
}

// resolve checks the options and completes them, without the version.
//
// Errors: *config.UsageError of one line.
func (d Definition) resolve(system config.System, defaultSize string) (config.Options, error) {
	b := config.New(system)
	for _, fixed := range []struct{ name, value string }{{"shared", ""}, {"fsname", d.Name}, {"size", defaultSize}} {
		if err := b.Set(fixed.name, fixed.name, fixed.value); err != nil {
			return config.Options{}, err
		}
	}
	given := map[string]bool{}
	for _, rawName := range slices.Sorted(maps.Keys(d.Options)) {
		if err := set(b, rawName, d.Options[rawName]); err != nil {
			return config.Options{}, err
		}
		given[optionName(rawName)] = true
	}
	opts, err := b.Finish()
	opts.Mountpoint = d.Mountpoint
	// A container's volume usually has one user, who may fill it.
	if !given["user_size"] {
		opts.UserSizeBytes = 0
	}
	if !given["user_inodes"] {
		opts.UserInodes = 0
	}
	return opts, err
}

// set takes one option. Names may be written with dashes, as the flags are.
func set(b *config.Builder, rawName, rawValue string) error {
	name := optionName(rawName)
	source := "option " + rawName
	if reason, refused := notForVolumes[name]; refused {
		return &config.UsageError{Source: source, Problem: reason}
	}
	accepted := config.OptionNames(slices.Collect(maps.Keys(notForVolumes))...)
	if !slices.Contains(accepted, name) {
		return &config.UsageError{Source: fmt.Sprintf("option %.64q", rawName), Problem: "unknown", Accepted: strings.Join(accepted, ", ")}
	}
	return b.Set(source, name, rawValue)
}

// optionName is the name of an option in the table.
func optionName(rawName string) string { return strings.ReplaceAll(rawName, "-", "_") }
