package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"paas/bench/report"
)

// result is what a run found; durations in milliseconds.
type result struct {
	PushToLive report.Spread            `json:"push_to_live_ms"`
	PushExit   report.Spread            `json:"push_exit_ms"` // until git push itself ended
	Rollback   report.Spread            `json:"rollback_ms"`
	ConfigSet  report.Spread            `json:"config_set_ms"`
	GoBuild    report.Spread            `json:"go_build_ms"` // the same change compiled outside, in the same run
	IdleRSS    float64                  `json:"idle_rss_mb"` // of paas standalone without its children, before the run
	Stages     map[string]report.Spread `json:"stages"`
	Machine    map[string]string        `json:"machine"`
	Versions   map[string]string        `json:"versions"`
	At         time.Time                `json:"at"`

	pushes, pushDone, rollbacks, configs, goBuilds []time.Duration

	order        []string
	stageSamples map[string][]time.Duration
}

func (r *result) stage(name string, d time.Duration) {
	if r.stageSamples == nil {
		r.stageSamples = map[string][]time.Duration{}
	}
	if !slices.Contains(r.order, name) {
		r.order = append(r.order, name)
	}
	r.stageSamples[name] = append(r.stageSamples[name], d)
}

func (r *result) sum() {
	r.PushToLive, r.PushExit = report.SpreadOf(r.pushes), report.SpreadOf(r.pushDone)
	r.Rollback, r.ConfigSet = report.SpreadOf(r.rollbacks), report.SpreadOf(r.configs)
	r.GoBuild = report.SpreadOf(r.goBuilds)
	r.Stages, r.At = map[string]report.Spread{}, time.Now().UTC().Truncate(time.Second)
	for name, d := range r.stageSamples {
		r.Stages[name] = report.SpreadOf(d)
	}
}

func (r *result) print(w io.Writer) {
	r.sum()
	row := func(name string, s report.Spread) {
		fmt.Fprintf(w, "%-36s %8.0f %8.0f %8.0f\n", name, s.Min, s.Median, s.Max)
	}
	fmt.Fprintf(w, "\n%-36s %8s %8s %8s\n", "milliseconds", "min", "median", "max")
	row("git push to first new answer", r.PushToLive)
	for _, name := range r.order {
		row("    "+name, r.Stages[name])
	}
	row("git push until it exits", r.PushExit)
	row("paas rollback to first new answer", r.Rollback)
	row("paas config:set to first new answer", r.ConfigSet)
	row("for comparison: go build, outside", r.GoBuild)
	fmt.Fprintf(w, "\npaas standalone idle: %.1f MB resident\n", r.IdleRSS)
	fmt.Fprintf(w, "%s, %s cores, load %s before the run\n", r.Machine["cpu"], r.Machine["cores"], r.Machine["load"])
}
