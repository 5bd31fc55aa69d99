package web

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	none   = math.NaN()
	begin  = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	inPath = regexp.MustCompile(`^[MLHZ0-9. -]*$`)
)

func chartOf(values ...float64) chart {
	return chart{ID: "c", Title: "Chart", Since: begin, Step: time.Minute, Lines: []series{{Name: "one", Class: "l-use", Values: values}}}
}

// drawn is the chart after a look at everything that must hold of any: paths
// of numbers within the plot, finite ticks that rise, a table of all steps.
func drawn(t *testing.T, c chart) drawing {
	t.Helper()
	d := c.draw()
	for _, l := range d.Drawn {
		for _, p := range []string{l.Path, l.Area} {
			if !inPath.MatchString(p) {
				t.Fatalf("path %q", p)
			}
			for i, s := range regexp.MustCompile(`-?[0-9.]+`).FindAllString(p, -1) {
				v, err := strconv.ParseFloat(s, 64)
				if err != nil || v < 0 || v > plotWidth {
					t.Fatalf("number %d of %q: %v", i, p, err)
				}
			}
		}
	}
	if len(d.Y) < 2 || len(d.Y) > 6 {
		t.Fatalf("%d ticks: %v", len(d.Y), d.Y)
	}
	for i, tick := range d.Y {
		if math.IsNaN(tick.At) || tick.At < 0 || tick.At > float64(d.Height) || i > 0 && tick.At >= d.Y[i-1].At || strings.ContainsAny(tick.Text, "NI") {
			t.Fatalf("ticks %v", d.Y)
		}
	}
	if d.Y[len(d.Y)-1].At != 0 || d.Y[0].At != float64(d.Height) {
		t.Fatalf("ticks %v do not span the plot", d.Y)
	}
	if len(d.X) > 11 {
		t.Fatalf("%d labels", len(d.X))
	}
	for _, x := range d.X {
		if math.IsNaN(x.At) || x.At < 0 || x.At > 100 {
			t.Fatalf("labels %v", d.X)
		}
	}
	if !c.Small && len(d.Rows) != c.steps() {
		t.Fatalf("%d rows of %d", len(d.Rows), c.steps())
	}
	return d
}

func TestTicksAreRound(t *testing.T) {
	for _, c := range []struct {
		unit chartUnit
		high float64
		want string
	}{
		{unitRate, 0, "0 1"}, {unitRate, 1, "0 1"}, {unitRate, 0.1, "0 0.025 0.05 0.075 0.1"}, {unitRate, 7, "0 2 4 6 8"}, {unitRate, 10, "0 5 10"}, {unitRate, 99, "0 25 50 75 100"},
		{unitRate, 101, "0 50 100 150"}, {unitRate, 4321, "0 2k 4k 6k"}, {unitRate, 1e6, "0 250k 500k 750k 1M"},
		{unitSeconds, 0.234, "0 100 ms 200 ms 300 ms"}, {unitSeconds, 3, "0 1.0 s 2.0 s 3.0 s"},
		{unitBytes, 500 << 20, "0 128 MB 256 MB 384 MB 512 MB"}, {unitBytes, 3 << 30, "0 1.0 GB 2.0 GB 3.0 GB"}, {unitCPUs, 0.3, "0 0.1 0.2 0.3"},
	} {
		var got []string
		for _, v := range c.unit.ticks(c.high) {
			got = append(got, c.unit.short(v))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("up to %g: %s, not %s", c.high, strings.Join(got, " "), c.want)
		}
	}
}

func TestChartsOfLittle(t *testing.T) {
	for name, c := range map[string]chart{
		"nothing": chartOf(), "no line": {ID: "c", Step: time.Minute}, "gaps only": chartOf(none, none), "no time": {Lines: []series{{Values: []float64{1}}}},
	} {
		if d := drawn(t, c); name != "no time" && (d.Any || d.Desc != "Nothing was measured in this time.") {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if d := drawn(t, chartOf(5)); d.Drawn[0].Path != "M200 0H800" && !strings.HasPrefix(d.Drawn[0].Path, "M200 ") {
		t.Errorf("one point: %q", d.Drawn[0].Path)
	}
	if d := drawn(t, chartOf(0, 0, 0)); d.Drawn[0].Path != "M166.7 100L500 100L833.3 100" || d.Drawn[0].Last != "0" {
		t.Errorf("zeros: %+v", d.Drawn[0])
	}
	if d := drawn(t, chartOf(1, none, 2, 3, math.Inf(1), -1, 4)); strings.Count(d.Drawn[0].Path, "M") != 3 {
		t.Errorf("two gaps: %q", d.Drawn[0].Path)
	}
	if d := drawn(t, chartOf(none, 2)); d.Rows[0].Values[0] != "2" || d.Rows[1].Values[0] != "–" || !d.Rows[0].At.After(d.Rows[1].At) {
		t.Errorf("the table: %+v", d.Rows)
	}
	for _, huge := range []float64{1e18, 1e100, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		for u := unitRate; u <= unitCPUs; u++ {
			c := chartOf(huge, 1, 0, huge/2)
			c.Unit = u
			drawn(t, c)
			c.Stack, c.Lines = true, append(c.Lines, c.Lines[0])
			drawn(t, c)
		}
	}
}

func TestStacksAddUp(t *testing.T) {
	c := chartOf(1, none, 3)
	c.Stack, c.Lines = true, append(c.Lines, series{Name: "two", Values: []float64{3, 1, 1}})
	d := drawn(t, c)
	if want := "M166.7 0L500 75L833.3 0"; d.Drawn[1].Path != want {
		t.Errorf("on top: %q", d.Drawn[1].Path)
	}
	if want := "M166.7 0L500 75L833.3 0L833.3 25L500 100L166.7 75Z"; d.Drawn[1].Area != want {
		t.Errorf("its area: %q", d.Drawn[1].Area)
	}
	if d.Rows[2].Values[1] != "3" {
		t.Errorf("the table has sums: %v", d.Rows)
	}
}

// What adds nothing does not cover what is below it.
func TestNothingInAStackIsNotDrawn(t *testing.T) {
	c := chartOf(1, 2, 3)
	c.Stack, c.Lines = true, append(c.Lines, series{Name: "5xx", Values: []float64{0, 0, 0}})
	if d := drawn(t, c); d.Drawn[1].Path != "" || d.Drawn[0].Path == "" {
		t.Errorf("%+v", d.Drawn)
	}
}

// A limit is drawn while the values come near it, else it is named.
func TestLimitOfAChart(t *testing.T) {
	c := chartOf(100, 200)
	c.Lines = append(c.Lines, series{Name: "limit", Limit: true, Values: []float64{400, 400}})
	if d := drawn(t, c); d.Above != "" || d.Drawn[1].Path != "M250 0L750 0" {
		t.Errorf("near: %+v", d)
	}
	c.Lines[1].Values = []float64{none, 4000}
	if d := drawn(t, c); d.Above != "limit 4 000" || d.Drawn[1].Path != "" || d.Y[len(d.Y)-1].Text != "200" {
		t.Errorf("far: %+v", d)
	}
}

func TestMarksOfAChart(t *testing.T) {
	c := chartOf(make([]float64, 60)...)
	for i, at := range []time.Duration{-time.Minute, 0, time.Minute, 30 * time.Minute, 61 * time.Minute} {
		c.Marks = append(c.Marks, deployMark{At: begin.Add(at), Version: i})
	}
	d := drawn(t, c)
	if len(d.Shown) != 3 || !d.Shown[0].Label || d.Shown[1].Label || !d.Shown[2].Label || d.Shown[2].X != 50 {
		t.Errorf("%+v", d.Shown)
	}
	for range 5000 {
		c.Marks = append(c.Marks, deployMark{At: begin.Add(time.Second)})
	}
	if d = drawn(t, c); len(d.Shown) > mostMark {
		t.Errorf("%d marks", len(d.Shown))
	}
}

func TestLabelsOfTime(t *testing.T) {
	for step, want := range map[time.Duration]string{
		time.Minute: "12:00 12:10 12:20 12:30 12:40 12:50 13:00", 5 * time.Minute: "12:00 13:00 14:00 15:00 16:00 17:00",
		2 * time.Hour: "2 May 3 May 4 May 5 May 6 May",
	} {
		c := chartOf(make([]float64, 60)...)
		c.Step = step
		var got []string
		for _, x := range drawn(t, c).X {
			got = append(got, x.Text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("steps of %s: %s", step, strings.Join(got, " "))
		}
	}
}

// Whatever texts a chart has, they are text.
func TestChartsAreInert(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	c := chartOf(1, 2, 3)
	c.App, c.Title, c.Lines[0].Name = "shop", hostile, hostile
	c.Marks = []deployMark{{At: begin.Add(time.Minute), Version: 3, Text: hostile}}
	var out bytes.Buffer
	if err := b.web.pages["metrics"].ExecuteTemplate(&out, "chart", c.draw()); err != nil {
		t.Fatal(err)
	}
	inert(t, out.String())
	for _, want := range []string{`href="/apps/shop/releases/3"`, ">v3</text>", `role="img"`, "<details", "<caption"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, &out)
		}
	}
}

func FuzzChart(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, uint8(0), false, int64(time.Minute))
	f.Add(math.NaN(), math.Inf(1), -1.0, uint8(2), true, int64(0))
	f.Add(1e308, 1e-300, 0.0, uint8(1), true, int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, a, b, c float64, unit uint8, stack bool, step int64) {
		ch := chartOf(a, b, c, none, a)
		ch.Unit, ch.Stack = chartUnit(unit%4), stack
		ch.Step = time.Duration(step % int64(400*24*time.Hour))
		ch.Lines = append(ch.Lines, series{Name: "two", Values: []float64{c, b}}, series{Name: "limit", Values: []float64{b}, Limit: true})
		ch.Marks = []deployMark{{At: begin.Add(time.Duration(step / 2))}}
		d := drawn(t, ch)
		if strings.Contains(fmt.Sprint(d.Shown), "NaN") {
			t.Fatal(d.Shown)
		}
	})
}
