package web

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// chart is values over time, to be drawn.
type chart struct {
	ID, Title string
	App       string // whose releases the marks lead to
	Unit      chartUnit
	Since     time.Time
	Step      time.Duration // between two values
	Lines     []series
	Stack     bool // the lines' values add up, the first is at the bottom
	Marks     []deployMark
	Small     bool // without marks, legend and table: a larger one has them
}

// series is one series of a chart.
type series struct {
	Name, Class string    // the class has its colour and its dashes
	Values      []float64 // one per step; what is no number is a gap
	Limit       bool      // a limit of the others: shown while they come near it
}

// deployMark is a moment that explains what changes from there on.
type deployMark struct {
	At      time.Time
	Version int
	Text    string
}

// The plot is drawn in these units and stretched to the room there is.
const (
	plotWidth  = 1000
	plotHeight = 100
	// markRoom is how near, in a plot's width, two marks can have labels.
	markRoom = plotWidth / 12
	mostMark = 60
)

// drawing is a chart as the template takes it: nothing of it is markup.
type drawing struct {
	chart
	Desc   string
	Drawn  []drawnLine
	Y, X   []axisTick
	Height int // of the plot in pixels
	Shown  []drawnMark
	Rows   []chartRow
	Above  string // names the limit that is higher than the chart
	Any    bool   // there is a value at all
}

type drawnLine struct {
	Name, Class string
	Path, Area  string
	Last        string
}

type axisTick struct {
	At     float64 // y: pixels from the top of the plot; x: percent
	Text   string
	Anchor string
}

type drawnMark struct {
	deployMark
	X     float64 // percent
	Label bool
}

// chartRow is one step in the table of the same numbers.
type chartRow struct {
	At     time.Time
	Clock  string // At, as short as the chart's steps let it be
	Values []string
}

// measured says that a value can be drawn.
func measured(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) && v >= 0 }

func (c chart) draw() drawing {
	d := drawing{chart: c, Height: 120}
	if c.Small {
		d.Height = 56
	}
	tops := c.tops()
	ticks := c.Unit.ticks(c.highest(tops, &d))
	high := ticks[len(ticks)-1]
	for _, v := range ticks {
		d.Y = append(d.Y, axisTick{At: round1(float64(d.Height) * (1 - v/high)), Text: c.Unit.short(v)})
	}
	if c.Small { // has room for two
		d.Y = []axisTick{d.Y[0], d.Y[len(d.Y)-1]}
	}
	for i, l := range c.Lines {
		dl := drawnLine{Name: l.Name, Class: l.Class, Last: c.Unit.last(l.Values)}
		if !l.Limit || d.Above == "" {
			dl.Path = linePath(c.visible(i, tops[i]), high)
		}
		if c.Stack {
			base := make([]float64, len(tops[i]))
			if i > 0 {
				base = tops[i-1]
			}
			dl.Area = areaPath(base, tops[i], high)
		}
		d.Drawn = append(d.Drawn, dl)
	}
	d.X, d.Desc = c.times(), c.describe()
	if !c.Small {
		d.Shown, d.Rows = c.marks(), c.rows()
	}
	return d
}

// steps is how many values the chart has room for.
func (c chart) steps() int {
	n := 0
	for _, l := range c.Lines {
		n = max(n, len(l.Values))
	}
	return n
}

// tops are where the lines are drawn: their values, on top of each other in a
// stack.
func (c chart) tops() [][]float64 {
	out := make([][]float64, len(c.Lines))
	for i, l := range c.Lines {
		if !c.Stack {
			out[i] = l.Values
			continue
		}
		out[i] = make([]float64, c.steps())
		for j := range out[i] {
			if i > 0 {
				out[i][j] = out[i-1][j]
			}
			if j < len(l.Values) && measured(l.Values[j]) {
				out[i][j] += l.Values[j]
			}
		}
	}
	return out
}

// visible is where a line of a stack adds something: where it does not it would
// only cover the one below.
func (c chart) visible(i int, top []float64) []float64 {
	if !c.Stack || i == 0 {
		return top
	}
	out := slices.Clone(top)
	for j := range out {
		if j >= len(c.Lines[i].Values) || c.Lines[i].Values[j] == 0 {
			out[j] = math.NaN()
		}
	}
	return out
}

// highest is the value that must have room. A limit far above everything would
// press the lines to the ground: it is named instead.
func (c chart) highest(tops [][]float64, d *drawing) float64 {
	high, limit, name := 0.0, 0.0, ""
	for i, l := range c.Lines {
		for _, v := range tops[i] {
			switch {
			case !measured(v):
			case l.Limit:
				limit, name = math.Max(limit, v), l.Name
			default:
				high, d.Any = math.Max(high, v), true
			}
		}
	}
	if limit > 4*high && limit > 0 {
		d.Above = name + " " + c.Unit.text(limit)
		return high
	}
	return math.Max(high, limit)
}

// linePath draws values as a line that is broken where nothing is known; a value
// alone is a dash.
func linePath(values []float64, high float64) string {
	var b strings.Builder
	for i := 0; i < len(values); i++ {
		if !measured(values[i]) {
			continue
		}
		end := i
		for end+1 < len(values) && measured(values[end+1]) {
			end++
		}
		if end == i {
			half := plotWidth / float64(len(values)) * 0.3
			fmt.Fprintf(&b, "M%s %sH%s", plotNumber(plotX(i, len(values))-half), plotNumber(plotY(values[i], high)), plotNumber(plotX(i, len(values))+half))
			continue
		}
		for j := i; j <= end; j++ {
			lead := "L"
			if j == i {
				lead = "M"
			}
			fmt.Fprintf(&b, "%s%s %s", lead, plotNumber(plotX(j, len(values))), plotNumber(plotY(values[j], high)))
		}
		i = end
	}
	return b.String()
}

// areaPath is between two lines, all of which is known.
func areaPath(base, top []float64, high float64) string {
	if len(top) < 2 {
		return ""
	}
	var b strings.Builder
	lead := "M"
	for i, v := range top {
		fmt.Fprintf(&b, "%s%s %s", lead, plotNumber(plotX(i, len(top))), plotNumber(plotY(v, high)))
		lead = "L"
	}
	for i := len(base) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "L%s %s", plotNumber(plotX(i, len(base))), plotNumber(plotY(base[i], high)))
	}
	return b.String() + "Z"
}

// plotX is the middle of a step.
func plotX(i, steps int) float64 { return plotWidth * (float64(i) + 0.5) / float64(steps) }

func plotY(v, high float64) float64 {
	return plotHeight * (1 - math.Min(v/high, 1))
}

func round1(v float64) float64 { return math.Round(v*10) / 10 }

func plotNumber(v float64) string { return strconv.FormatFloat(round1(v), 'f', -1, 64) }

// share is where a time is, in percent of the chart's width.
func (c chart) share(at time.Time) float64 {
	return round1(100 * float64(at.Sub(c.Since)) / (float64(c.Step) * float64(max(c.steps(), 1))))
}

func (c chart) marks() (out []drawnMark) {
	if c.steps() == 0 || c.Step <= 0 {
		return nil
	}
	last := math.Inf(-1)
	for _, m := range c.Marks[max(0, len(c.Marks)-mostMark):] {
		d := drawnMark{deployMark: m, X: c.share(m.At)}
		if d.X < 0 || d.X > 100 {
			continue
		}
		if at := d.X * plotWidth / 100; at-last >= markRoom {
			d.Label, last = true, at
		}
		out = append(out, d)
	}
	return out
}

// rows are the same numbers for who does not see the chart, newest first.
func (c chart) rows() []chartRow {
	var out []chartRow
	for i := c.steps() - 1; i >= 0; i-- {
		r := chartRow{At: c.Since.Add(time.Duration(i) * c.Step)}
		r.Clock = r.At.UTC().Format("2 Jan 15:04")
		for _, l := range c.Lines {
			text := "–"
			if i < len(l.Values) && measured(l.Values[i]) {
				text = c.Unit.text(l.Values[i])
			}
			r.Values = append(r.Values, text)
		}
		out = append(out, r)
	}
	return out
}

// describe says in words what the lines show.
func (c chart) describe() string {
	var parts []string
	for _, l := range c.Lines {
		if l.Limit {
			continue
		}
		low, high, any := math.Inf(1), math.Inf(-1), false
		for _, v := range l.Values {
			if measured(v) {
				low, high, any = math.Min(low, v), math.Max(high, v), true
			}
		}
		if any {
			parts = append(parts, fmt.Sprintf("%s from %s to %s, last %s", l.Name, c.Unit.text(low), c.Unit.text(high), c.Unit.last(l.Values)))
		}
	}
	if len(parts) == 0 {
		return "Nothing was measured in this time."
	}
	return strings.Join(parts, "; ") + "."
}

// addInts and addFloats are for templates, where pictures are laid out.
func addInts(a, b int) int                   { return a + b }
func addFloats(a float64, b float64) float64 { return round1(a + b) }
