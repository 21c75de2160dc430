package bench

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"math"
	"slices"
)

// The plot: a line for each figure, and on it a dot for each mode where its
// ratio to the first mode lies on a logarithmic scale.
const (
	plotLeft   = 230.0
	plotWidth  = 640.0
	plotTop    = 76.0
	plotStep   = 18.0
	plotLowest = 1. / 256
	plotMost   = 4.
)

// palette has a colour for each mode that is plotted.
var palette = []struct{ mode, colour string }{
	{"safetmp", "#0b6e4f"},
	{"safetmp-uring", "#08a045"},
	{"safetmp-passthrough", "#1f77b4"},
	{"safetmp-encrypted", "#7b2cbf"},
	{"safetmp-encrypted-uring", "#c77dff"},
	{"gocryptfs", "#d62728"},
	{"encfs", "#ff9896"},
	{"securefs", "#ff7f0e"},
	{"go-fuse-memfs", "#8c564b"},
	{"memfs_ll", "#7f7f7f"},
	{"memfs_ll-uring", "#222222"},
}

// plotX is where a ratio lies.
func plotX(ratio float64) float64 {
	ratio = min(max(ratio, plotLowest), plotMost)
	return plotLeft + plotWidth*math.Log(ratio/plotLowest)/math.Log(plotMost/plotLowest)
}

// WriteSVG draws the ratios of all figures that the first mode has.
func (r *Result) WriteSVG(w io.Writer) error {
	var lines []Figure
	for _, f := range r.figures() {
		if !math.IsNaN(r.median(f.Name, r.Modes[0])) {
			lines = append(lines, f)
		}
	}
	bottom := plotTop + plotStep*float64(len(lines))
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" font-family="sans-serif" font-size="11">`+"\n",
		plotLeft+plotWidth+20, bottom+30)
	fmt.Fprintln(&b, `<rect width="100%" height="100%" fill="white"/>`)
	r.drawLegend(&b)
	for ratio := plotLowest; ratio <= plotMost; ratio *= 2 {
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%.0f" y2="%.0f" stroke="%s"/>`, plotX(ratio), plotX(ratio), plotTop-8, bottom, gridColour(ratio))
		fmt.Fprintf(&b, `<text x="%.1f" y="%.0f" text-anchor="middle">%s</text>`+"\n", plotX(ratio), bottom+14, fraction(ratio))
	}
	for i, f := range lines {
		y := plotTop + plotStep*(float64(i)+0.5)
		fmt.Fprintf(&b, `<text x="%.0f" y="%.1f" text-anchor="end">%s</text>`, plotLeft-8, y+4, html.EscapeString(f.Name))
		r.drawDots(&b, f, y)
		fmt.Fprintln(&b)
	}
	fmt.Fprintln(&b, "</svg>")
	_, err := w.Write(b.Bytes())
	return err
}

func (r *Result) drawDots(b *bytes.Buffer, f Figure, y float64) {
	for _, p := range palette {
		if ratio := r.ratio(f.Name, p.mode, r.Modes[0]); !math.IsNaN(ratio) {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s" fill-opacity="0.8"><title>%s %.2f</title></circle>`,
				plotX(ratio), y, p.colour, p.mode, ratio)
		}
	}
}

// drawLegend names the modes that were measured.
func (r *Result) drawLegend(b *bytes.Buffer) {
	fmt.Fprintf(b, `<text x="8" y="16">times as good as %s (right is better)</text>`+"\n", html.EscapeString(r.Modes[0]))
	const left = 8.0
	x, y := left, 31.0
	for _, p := range palette {
		if !slices.Contains(r.Modes, p.mode) {
			continue
		}
		width := 24 + 6.2*float64(len(p.mode))
		if x+width > plotLeft+plotWidth {
			x, y = left, y+17
		}
		fmt.Fprintf(b, `<circle cx="%.0f" cy="%.0f" r="4" fill="%s"/><text x="%.0f" y="%.0f">%s</text>`+"\n", x+4, y, p.colour, x+11, y+4, p.mode)
		x += width
	}
}

func gridColour(ratio float64) string {
	if ratio == 1 {
		return "#666"
	}
	return "#ddd"
}

func fraction(ratio float64) string {
	if ratio < 1 {
		return fmt.Sprintf("1/%.0f", 1/ratio)
	}
	return fmt.Sprintf("%.0f", ratio)
}
