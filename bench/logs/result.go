package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// result is what a run found.
type result struct {
	Paas      measured          `json:"paas"`
	Most      measured          `json:"paas_most"` // the highest rate that was kept up with
	Yardstick measured          `json:"yardstick"`
	Apps      int               `json:"apps"`
	Rate      int               `json:"rate"` // lines per second, all apps together
	Seconds   float64           `json:"seconds"`
	LineBytes int               `json:"line_bytes"`
	Machine   map[string]string `json:"machine"`
	Versions  map[string]string `json:"versions"`
	At        time.Time         `json:"at"`
}

// measured is one series; delays are from when a line was due to when its
// reader had it, in milliseconds.
type measured struct {
	What        string  `json:"what"`
	Sent        int     `json:"sent"`
	Received    int     `json:"received"`
	Dropped     int     `json:"dropped"` // as numbers missing between lines that were read
	Rate        float64 `json:"lines_per_second"`
	P50         float64 `json:"p50_ms"`
	P95         float64 `json:"p95_ms"`
	P99         float64 `json:"p99_ms"`
	Max         float64 `json:"max_ms"`
	WorstAppP99 float64 `json:"worst_app_p99_ms"`
	CPU         float64 `json:"server_cpu_seconds"` // for paas with the load generator in it
	ClientCPU   float64 `json:"client_cpu_seconds"`
	RSS         float64 `json:"server_rss_mb"` // most so far in the process
}

func (m *measured) finish(what string, sent int, u usage, length time.Duration) {
	m.What, m.Sent, m.CPU, m.RSS = what, sent, u.cpu.Seconds(), u.rss
	m.Rate = float64(m.Received) / length.Seconds()
}

// kept says whether the series meets what is promised: nothing lost, and
// 99 of 100 lines within 250 ms.
func (m measured) kept() bool { return m.Received == m.Sent && m.P99 < 250 }

func (r *result) head(w io.Writer) {
	fmt.Fprintf(w, "\n%-36s %9s %8s %8s %8s %8s %8s %8s %8s\n", "", "lines/s", "p50 ms", "p95 ms", "p99 ms", "max ms", "dropped", "CPU s", "RSS MB")
}

func (r *result) print(w io.Writer, m measured) {
	fmt.Fprintf(w, "%-36s %9.0f %8.1f %8.1f %8.1f %8.1f %8d %8.1f %8.1f\n", m.What, m.Rate, m.P50, m.P95, m.P99, m.Max, m.Sent-m.Received, m.CPU, m.RSS)
}

func (r *result) foot(w io.Writer) {
	fmt.Fprintf(w, "\n%s, %s cores, load %s before the run\n", r.Machine["cpu"], r.Machine["cores"], r.Machine["load"])
}

// usage is what a process has used.
type usage struct {
	cpu time.Duration
	rss float64 // MB, at most so far
}

func (u usage) since(before usage) usage { return usage{u.cpu - before.cpu, u.rss} }

// used reads what a process has used so far; clock ticks are 10 ms.
func used(pid int) (u usage) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	stat, _ := os.ReadFile(dir + "stat")
	if _, rest, ok := strings.Cut(string(stat), ") "); ok {
		var user, system int64
		if f := strings.Fields(rest); len(f) > 12 {
			user, _ = strconv.ParseInt(f[11], 10, 64)
			system, _ = strconv.ParseInt(f[12], 10, 64)
		}
		u.cpu = time.Duration(user+system) * 10 * time.Millisecond
	}
	status, _ := os.ReadFile(dir + "status")
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			u.rss = kb / 1024
		}
	}
	return u
}
