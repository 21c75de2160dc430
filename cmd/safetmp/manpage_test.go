package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The man pages are written from the command tree, so that they say what help says, and lie in the repository, so that
// installing needs no more than copying. This test keeps the two equal; `make man` writes them anew.
var updatePages = flag.Bool("update", false, "write the man pages anew")

const pagesDir = "../../docs/man"

func TestManPages(t *testing.T) {
	pages := manPages(t)
	if *updatePages {
		require.NoError(t, os.MkdirAll(pagesDir, 0o755))
		for name, page := range pages {
			require.NoError(t, os.WriteFile(filepath.Join(pagesDir, name), []byte(page), 0o644))
		}
	}
	files, err := os.ReadDir(pagesDir)
	require.NoError(t, err)
	assert.Len(t, files, len(pages), "pages of commands that are gone")
	for name, page := range pages {
		text, err := os.ReadFile(filepath.Join(pagesDir, name))
		require.NoError(t, err)
		assert.Equal(t, page, string(text), "%s differs from the help texts: make man", name)
	}
}

// manPages returns the pages by file name.
func manPages(t *testing.T) map[string]string {
	t.Helper()
	root := commandTree()
	pages := map[string]string{"safetmp.1": rootPage(t, root)}
	for _, cmd := range people(root) {
		if cmd.Name() == "help" {
			continue
		}
		pages["safetmp-"+cmd.Name()+".1"] = commandPage(cmd)
		if cmd.Name() == "mount" {
			pages["mount.safetmp.8"] = helperPage(cmd)
		}
	}
	return pages
}

// manPage is a page being written, in the macros of man(7).
type manPage struct{ strings.Builder }

func newManPage(name string, section int, short string) *manPage {
	p := &manPage{}
	fmt.Fprintf(p, ".\\\" Written from the help texts by make man; edit those.\n.TH %s %d \"\" safetmp\n", strings.ToUpper(roff(name)), section)
	p.section("NAME")
	fmt.Fprintf(p, "%s \\- %s\n", roff(name), roff(short))
	return p
}

func (p *manPage) section(title string) { fmt.Fprintf(p, ".SH %s\n", title) }

// item writes a tagged paragraph.
func (p *manPage) item(tag, text string) { fmt.Fprintf(p, ".TP\n%s\n%s\n", tag, text) }

// prose writes paragraphs, which blank lines separate; indented lines are kept as they are.
func (p *manPage) prose(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		for line := range strings.SplitSeq(paragraph, "\n") {
			if listed, ok := strings.CutPrefix(line, "  "); ok {
				fmt.Fprintf(p, ".br\n\\h'2n'%s\n", roff(listed))
				continue
			}
			p.WriteString(roff(line) + "\n")
		}
	}
}

// verbatim writes lines as they are.
func (p *manPage) verbatim(text string) {
	p.WriteString(".nf\n")
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		p.WriteString(roff(strings.TrimPrefix(line, "  ")) + "\n")
	}
	p.WriteString(".fi\n")
}

// roff escapes what the formatter would take for its own.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`, "`", `\(ga`, `'`, `\(aq`, `~`, `\(ti`, `^`, `\(ha`, `"`, `\(dq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

func bold(text string) string   { return `\fB` + roff(text) + `\fR` }
func italic(text string) string { return `\fI` + roff(text) + `\fR` }

// options writes the flags of a command.
func (p *manPage) options(cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	p.section("OPTIONS")
	cmd.Flags().SortFlags = false
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		tag := bold("--" + f.Name)
		if f.Shorthand != "" {
			tag = bold("-"+f.Shorthand) + ", " + tag
		}
		if f.NoOptDefVal == "" {
			tag += " " + italic(f.Value.Type())
		}
		p.item(tag, roff(f.Usage))
	})
}

// examples writes the examples of a command and its exit codes.
func (p *manPage) examples(cmd *cobra.Command) {
	examples, codes, _ := strings.Cut(cmd.Example, "Exit codes:\n")
	if codes != "" {
		p.section("EXIT STATUS")
		for _, item := range exitItems(codes) {
			p.item(bold(item[0]), roff(item[1]))
		}
	}
	p.section("EXAMPLES")
	p.verbatim(examples)
}

// exitItems reads the columns of exit codes, down each line, in the order of the codes.
func exitItems(codes string) [][2]string {
	var items [][2]string
	for _, cell := range regexp.MustCompile(`\s{2,}`).Split(strings.TrimSpace(codes), -1) {
		code, meaning, _ := strings.Cut(cell, " ")
		if !regexp.MustCompile(`^\d+(\+n)?$`).MatchString(code) {
			code, meaning = cell, "if none of these applies"
		}
		items = append(items, [2]string{code, meaning})
	}
	number := func(item [2]string) (n int) {
		_, _ = fmt.Sscanf(item[0], "%d", &n)
		return n
	}
	slices.SortStableFunc(items, func(a, b [2]string) int { return number(a) - number(b) })
	return items
}

// seeAlso closes a page.
func (p *manPage) seeAlso(pages ...string) string {
	p.section("SEE ALSO")
	for i, page := range pages {
		name, section, _ := strings.Cut(page, "(")
		comma := ","
		if i == len(pages)-1 {
			comma = ""
		}
		fmt.Fprintf(p, ".BR %s (%s%s\n", roff(name), section, comma)
	}
	return p.String()
}

// commandPage is the page of one command.
func commandPage(cmd *cobra.Command) string {
	p := newManPage("safetmp-"+cmd.Name(), 1, cmd.Short)
	p.section("SYNOPSIS")
	name, rest, _ := strings.Cut(cmd.UseLine(), cmd.Name())
	fmt.Fprintf(p, "%s%s\n", bold(name+cmd.Name()), roff(rest))
	if cmd.Long != "" {
		p.section("DESCRIPTION")
		p.prose(cmd.Long)
	}
	p.options(cmd)
	if cmd.Example != "" {
		p.examples(cmd)
	}
	return p.seeAlso("safetmp(1)")
}

// rootPage is the page of the program.
func rootPage(t *testing.T, root *cobra.Command) string {
	t.Helper()
	p := newManPage(programName, 1, root.Short)
	p.section("SYNOPSIS")
	fmt.Fprintf(p, "%s %s [%s...]\n", bold(programName), italic("COMMAND"), italic("ARG"))
	p.section("DESCRIPTION")
	p.prose(root.Long)
	p.section("COMMANDS")
	var pages []string
	for _, cmd := range people(root) {
		if cmd.Name() != "help" {
			p.item(fmt.Sprintf(".BR %s (1)", roff("safetmp-"+cmd.Name())), roff(cmd.Short))
			pages = append(pages, "safetmp-"+cmd.Name()+"(1)")
		}
	}
	p.section("EXIT STATUS")
	codes := exitConstants(t)
	for _, code := range sortedKeys(codes) {
		tag := fmt.Sprint(code)
		if code == exitSignalBase {
			tag += " + n"
		}
		p.item(bold(tag), roff(codes[code]))
	}
	p.section("FILES")
	p.item(italic("/run/safetmp"), "Control sockets of mounts made by root.")
	p.item(italic("$XDG_RUNTIME_DIR/safetmp")+", "+italic("/run/user/UID/safetmp")+", "+italic("~/.local/state/safetmp"),
		"Control sockets of an ordinary user\\(aqs mounts, in the first of these that can be used.")
	p.section("EXAMPLES")
	p.verbatim(root.Example)
	return p.seeAlso(append(pages, "mount.safetmp(8)", "mktemp(1)", "tmpfs(5)", "mount_namespaces(7)")...)
}

// helperPage is the page of the helper of mount(8).
func helperPage(mount *cobra.Command) string {
	p := newManPage("mount.safetmp", 8, "mount a filesystem for temporary files, for mount(8)")
	p.section("SYNOPSIS")
	fmt.Fprintf(p, "%s %s %s [%s] [%s %s]\n", bold("mount.safetmp"), italic("SOURCE"), italic("DIR"), bold("-sfnv"), bold("-o"), italic("OPTIONS"))
	p.section("DESCRIPTION")
	p.prose(helperHelp)
	p.section("OPTIONS")
	p.item(bold("-f"), "Check everything, mount nothing.")
	p.item(bold("-s")+", "+bold("-n")+", "+bold("-v")+", "+bold("-N")+" "+italic("NAMESPACE")+", "+bold("-t")+" "+italic("TYPE"),
		"Taken from mount(8), without effect.")
	p.section("MOUNT OPTIONS")
	p.WriteString("The general words of mount(8) are accepted where they ask for what holds anyway, and refused where not.\n")
	mount.Flags().VisitAll(func(f *pflag.Flag) {
		name := strings.ReplaceAll(f.Name, "-", "_")
		switch {
		case f.Shorthand != "" || f.Name == "help":
		case f.NoOptDefVal == "":
			p.item(bold(name+"=")+italic(f.Value.Type()), roff(f.Usage))
		default:
			p.item(bold(name), roff(f.Usage))
		}
	})
	p.section("EXIT STATUS")
	for _, item := range [][2]string{{"0", "mounted and answering"}, {"1", "a wrong option or argument"}, {"32", "the mount failed"}} {
		p.item(bold(item[0]), roff(item[1]))
	}
	p.section("EXAMPLES")
	p.verbatim(helperExamples)
	return p.seeAlso("safetmp-mount(1)", "safetmp-umount(1)", "mount(8)", "fstab(5)")
}

func sortedKeys(m map[int]string) []int {
	var keys []int
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

const helperHelp = `Mounts a filesystem for temporary files on DIR, as safetmp-mount(1) does, in the form in which mount(8) calls its
helpers: for a line of fstab(5), or mount -t safetmp. SOURCE is shown in mount tables and means nothing.`

const helperExamples = `  # a line of /etc/fstab
  safetmp  /srv/tmp  safetmp  shared,size=25%,nofail  0 0

  mount -t safetmp -o size=1g,uid=1000 safetmp /srv/build`
