package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) metricsCommands() []*cobra.Command {
	cmd := &cobra.Command{
		Use: "metrics", Short: "show requests, errors, response times, CPU and memory of an app", Args: takes(0, 0),
		Long: `Show what an app did: requests by class of status and by release, how long
they took, and what each process type used. Figures are kept for 30 days.
With --json there is a point for each step of time.`,
	}
	f := cmd.Flags()
	since := f.String("since", "1h", "since a time, or so long ago (30m, 24h, 7d, 2026-05-01T12:00:00Z)")
	until := f.String("until", "", "before a time, or so long ago (default: now)")
	points := f.Int("points", 0, "how many steps at most (default 120)")
	asJSON := f.Bool("json", false, "print JSON")
	c.onApp(cmd, func(s *session, _ []string) error {
		if *points < 0 {
			return usagef(s.cmd, "--points must be at least 1.")
		}
		return s.metrics(localTime(*since), localTime(*until), *points, *asJSON)
	})
	return []*cobra.Command{cmd}
}

func (s *session) metrics(since, until string, points int, asJSON bool) error {
	m, err := s.api.Metrics(s.ctx, s.app, since, until, points)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(m)
	}
	const layout = "2006/01/02 15:04"
	s.header("%s Metrics, %s to %s", appName(s.app), m.Since.Local().Format(layout), m.Until.Local().Format(layout+" -0700"))
	s.say("")
	t := m.Total
	row := []string{fmt.Sprint(t.Requests), fmt.Sprint(t.Errors)}
	head := []string{"Requests", "Errors"}
	for _, class := range []string{"2xx", "3xx", "4xx", "5xx", "aborted"} {
		head, row = append(head, class), append(row, fmt.Sprint(t.Status[class]))
	}
	row = append(row, millis(t.P50), millis(t.P95), millis(t.P99))
	table(s.out, [][]string{append(head, "p50", "p95", "p99"), row})
	s.metricsUsage(m)
	s.metricsReleases(m)
	return nil
}

// metricsUsage shows each process type: how it is in the last step that was
// measured, and the highest of all.
func (s *session) metricsUsage(m api.Metrics) {
	rows := [][]string{{"Process", "Instances", "CPU", "peak", "Memory", "peak", "limit"}}
	for _, typ := range slices.Sorted(maps.Keys(m.Usage)) {
		var last api.UsagePoint
		var cpu, memory int64
		for _, p := range m.Usage[typ] {
			if p.Instances > 0 {
				last, cpu, memory = p, max(cpu, p.MilliCPU), max(memory, p.Memory)
			}
		}
		rows = append(rows, []string{typ, strconv.Itoa(last.Instances), cpus(last.MilliCPU), cpus(cpu), size(last.Memory), size(memory), size(last.MemoryLimit)})
	}
	s.say("")
	if len(rows) == 1 {
		s.say("No process was measured in this time.")
		return
	}
	table(s.out, rows)
}

// metricsReleases shows who served, and what went live meanwhile.
func (s *session) metricsReleases(m api.Metrics) {
	rows := [][]string{{"Release", "Requests", "Live since"}}
	live := map[string]string{}
	for _, d := range m.Deploys {
		live["v"+strconv.Itoa(d.Version)] = stamp(d.At) + " by " + d.User + ": " + d.Description
	}
	names := map[string]bool{}
	for name := range m.Total.Releases {
		names[name] = true
	}
	for name := range live {
		names[name] = true
	}
	if len(names) == 0 {
		return
	}
	version := func(name string) int {
		n, _ := strconv.Atoi(strings.TrimPrefix(name, "v")) // "none" is 0 and comes first
		return n
	}
	for _, name := range slices.SortedFunc(maps.Keys(names), func(a, b string) int { return version(a) - version(b) }) {
		rows = append(rows, []string{name, fmt.Sprint(m.Total.Releases[name]), live[name]})
	}
	s.say("")
	table(s.out, rows)
}

// millis is a time for people: "12 ms", "1.2 s".
func millis(ms float64) string {
	switch {
	case ms == 0:
		return "-"
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

// cpus is thousandths of a CPU for people.
func cpus(milli int64) string { return fmt.Sprintf("%.2f", float64(milli)/1000) }
