package web

import (
	"math"
	"strconv"
	"time"
)

// chartUnit is what a chart's values are, as people read them.
type chartUnit int

const (
	unitRate chartUnit = iota
	unitSeconds
	unitBytes
	unitCPUs
)

// Name is the unit in words.
func (u chartUnit) Name() string {
	return [...]string{"per minute", "", "", "CPUs"}[u]
}

// text is a value in full, short as an axis has it.
func (u chartUnit) text(v float64) string {
	switch u {
	case unitSeconds:
		if v == 0 {
			return "0 ms"
		}
		return durationText(time.Duration(math.Min(v, 1e9) * float64(time.Second)))
	case unitBytes:
		return bytesText(int64(math.Min(v, 1<<60)))
	case unitCPUs:
		return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64)
	}
	if v < 1e15 {
		v = round1(v)
	}
	if v == math.Trunc(v) && v < 1e15 {
		return countText(int64(v))
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

func (u chartUnit) short(v float64) string {
	if u == unitRate || u == unitCPUs {
		return shortNumber(v)
	}
	if v == 0 {
		return "0"
	}
	return u.text(v)
}

// shortNumber is 1.5k for 1500.
func shortNumber(v float64) string {
	for _, s := range []struct {
		from float64
		name string
	}{{1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= s.from {
			return strconv.FormatFloat(v/s.from, 'g', 4, 64) + s.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// last is the newest value that is known.
func (u chartUnit) last(values []float64) string {
	for i := len(values) - 1; i >= 0; i-- {
		if measured(values[i]) {
			return u.text(values[i])
		}
	}
	return "–"
}

// ticks are 0 and what follows in even, round steps up to high or a little
// more: two to six.
func (u chartUnit) ticks(high float64) []float64 {
	switch {
	case !measured(high) || high <= 0 || high < 1e-9:
		high = [...]float64{1, 0.1, 1 << 20, 0.1}[u]
	case high > 1e300:
		high = 1e300 // so that steps stay finite
	}
	step := u.step(high / 4)
	if u == unitRate && high >= 1 { // no half requests where there are whole ones
		step = math.Max(step, 1)
		if step == 2.5 {
			step = 5
		}
	}
	var out []float64
	for i := 0; ; i++ {
		v := float64(i) * step
		out = append(out, v)
		if v >= high*(1-1e-9) && i > 0 {
			return out
		}
	}
}

// step is the round number at or next above rough.
func (u chartUnit) step(rough float64) float64 {
	if u == unitBytes {
		return math.Exp2(math.Ceil(math.Log2(rough) - 1e-9))
	}
	ten := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*ten >= rough*(1-1e-9) {
			return m * ten
		}
	}
	return 10 * ten
}

// times are the labels under a chart, at round times of UTC.
func (c chart) times() []axisTick {
	span := time.Duration(c.steps()) * c.Step
	if span <= 0 {
		return nil
	}
	day := 24 * time.Hour
	every := 7 * day
	for _, d := range []time.Duration{time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 5 * day} {
		if span/d <= 6 {
			every = d
			break
		}
	}
	layout := "15:04"
	if every >= day {
		layout = "2 Jan"
	}
	var out []axisTick
	for at := c.Since.UTC().Truncate(every); !at.After(c.Since.Add(span)); at = at.Add(every) {
		t := axisTick{At: c.share(at), Text: at.Format(layout), Anchor: "middle"}
		switch {
		case t.At < 0 || len(out) > 10:
			continue
		case t.At < 5:
			t.Anchor = "start"
		case t.At > 95:
			t.Anchor = "end"
		}
		out = append(out, t)
	}
	return out
}
