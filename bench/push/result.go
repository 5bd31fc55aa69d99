package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// result is what a run found; durations in milliseconds.
type result struct {
	PushToLive spread            `json:"push_to_live_ms"`
	PushExit   spread            `json:"push_exit_ms"` // until git push itself ended
	Rollback   spread            `json:"rollback_ms"`
	ConfigSet  spread            `json:"config_set_ms"`
	GoBuild    spread            `json:"go_build_ms"` // the same change compiled outside, in the same run
	IdleRSS    float64           `json:"idle_rss_mb"` // of paas standalone without its children, before the run
	Stages     map[string]spread `json:"stages"`
	Machine    map[string]string `json:"machine"`
	Versions   map[string]string `json:"versions"`
	At         time.Time         `json:"at"`

	pushes, pushDone, rollbacks, configs, goBuilds []time.Duration

	order        []string
	stageSamples map[string][]time.Duration
}

type spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

func spreadOf(d []time.Duration) spread {
	if len(d) == 0 {
		return spread{}
	}
	s := slices.Sorted(slices.Values(d))
	median := s[len(s)/2]
	if len(s)%2 == 0 {
		median = (s[len(s)/2-1] + median) / 2
	}
	return spread{Min: ms(s[0]), Median: ms(median), Max: ms(s[len(s)-1]), N: len(s)}
}

func ms(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
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
	r.PushToLive, r.PushExit = spreadOf(r.pushes), spreadOf(r.pushDone)
	r.Rollback, r.ConfigSet = spreadOf(r.rollbacks), spreadOf(r.configs)
	r.GoBuild = spreadOf(r.goBuilds)
	r.Stages, r.At = map[string]spread{}, time.Now().UTC().Truncate(time.Second)
	for name, d := range r.stageSamples {
		r.Stages[name] = spreadOf(d)
	}
}

func (r *result) print(w io.Writer) {
	r.sum()
	row := func(name string, s spread) {
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

func (r *result) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// machine says what the figures were measured on.
func machine() map[string]string {
	m := map[string]string{"cores": fmt.Sprint(runtime.NumCPU()), "os": runtime.GOOS, "arch": runtime.GOARCH}
	read := func(path, prefix string) string {
		text, _ := os.ReadFile(path)
		for line := range strings.SplitSeq(string(text), "\n") {
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				return strings.Trim(strings.TrimSpace(rest), `:" `+"\t")
			}
		}
		return ""
	}
	m["cpu"] = strings.TrimPrefix(read("/proc/cpuinfo", "model name"), ": ")
	m["memory"] = read("/proc/meminfo", "MemTotal:")
	m["kernel"] = read("/proc/sys/kernel/osrelease", "")
	m["distribution"] = read("/etc/os-release", "PRETTY_NAME=")
	m["load"] = read("/proc/loadavg", "")
	return m
}
