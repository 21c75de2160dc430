package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"safetmp/internal/control"
)

// progressPause is the time between two looks at how far an unmount has come. A mount that is overwritten sooner shows no
// bar at all.
const progressPause = 50 * time.Millisecond

// barWidth is that of the bar alone, in columns. Where there is no room for it and its text, the text stands alone.
const (
	barWidth  = 30
	textWidth = 50
)

// showProgress draws on standard error, if that is a terminal, how much of a mount is overwritten, until the returned
// function is called.
func (a *app) showProgress(c *control.Client) (end func()) {
	columns := terminalWidth(a.stderr)
	if columns == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(a.ctx)
	var drawing sync.WaitGroup
	drawing.Go(func() {
		drawProgress(ctx, a.stderr, columns, func() (done, total int64) {
			s, err := c.Status(ctx)
			if err != nil {
				return 0, 0
			}
			return s.Overwritten, s.ToOverwrite
		})
	})
	return func() { cancel(); drawing.Wait() }
}

// drawProgress asks again and again, draws one line, and takes it away at the end.
func drawProgress(ctx context.Context, w io.Writer, columns int, ask func() (done, total int64)) {
	drawn := false
	for {
		select {
		case <-ctx.Done():
			if drawn {
				fmt.Fprint(w, "\r\x1b[K")
			}
			return
		case <-time.After(progressPause):
		}
		if done, total := ask(); total > 0 {
			drawn = true
			fmt.Fprint(w, "\r", progressLine(done, total, columns), "\x1b[K")
		}
	}
}

// progressLine is one state of the bar.
func progressLine(done, total int64, columns int) string {
	done = min(done, total)
	text := fmt.Sprintf("%s of %s overwritten", sizeText(done), sizeText(total))
	if columns < barWidth+textWidth {
		return text
	}
	full := int(float64(done) / float64(total) * barWidth)
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", barWidth-full) + "] " + text
}

// terminalWidth is the width of a terminal in columns, 0 for what is none.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	if size.Col == 0 {
		return 80 // a terminal that does not know
	}
	return int(size.Col)
}
