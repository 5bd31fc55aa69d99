package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"paas/bench/report"
)

// result is what a run found; durations in milliseconds.
type result struct {
	Hosts       int               `json:"hosts"`
	Apps        int               `json:"apps"`
	Instances   int               `json:"instances"`
	Seconds     float64           `json:"seconds"` // from the first wish to the last instance that is up
	PerSecond   float64           `json:"placed_per_second"`
	Tenths      []float64         `json:"placed_per_second_by_tenth"`
	CPU         usage             `json:"cpu_seconds_placing"`
	TenthsCPU   []float64         `json:"cpu_seconds_by_tenth"` // control plane, agents and Postgres
	Refused     int64             `json:"reports_repeated"`
	IdlePass    report.Spread     `json:"idle_pass_ms"`
	IdleSeconds float64           `json:"idle_seconds"`
	IdleCPU     usage             `json:"idle_cpu_seconds"`
	Replaced    report.Spread     `json:"host_loss_replaced_ms"`
	LostEach    []int             `json:"host_loss_instances"`
	Overbooked  int               `json:"hosts_overbooked"`
	ServerRSS   float64           `json:"server_and_agents_rss_mb"` // at most
	DatabaseMB  float64           `json:"postgres_mb"`
	Machine     map[string]string `json:"machine"`
	Versions    map[string]string `json:"versions"`
	At          time.Time         `json:"at"`
}

// usage is CPU time in seconds.
type usage struct {
	Server   float64 `json:"server_and_agents"`
	Database float64 `json:"postgres"`
	Others   float64 `json:"others"` // whatever else ran on the machine
}

func (u usage) since(b usage) usage {
	return usage{u.Server - b.Server, u.Database - b.Database, u.Others - b.Others}
}

// ours is without what others used, to a tenth of a second.
func (u usage) ours() float64 { return float64(int64(10*(u.Server+u.Database)+0.5)) / 10 }

// busy is the CPU time of all that runs on the machine.
func busy() float64 {
	text, _ := os.ReadFile("/proc/stat")
	var user, nice, system, idle, iowait, irq, softirq float64
	_, _ = fmt.Sscanf(string(text), "cpu %f %f %f %f %f %f %f", &user, &nice, &system, &idle, &iowait, &irq, &softirq)
	return (user + nice + system + irq + softirq) / 100
}

// used is CPU time so far. Postgres starts no process while it is measured
// but those of the pool, which live to the end.
func (pl *plane) used() usage {
	var own syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &own)
	u := usage{Server: time.Duration(own.Utime.Nano() + own.Stime.Nano()).Seconds()}
	for _, dir := range pl.processes() {
		stat, _ := os.ReadFile(dir + "/stat")
		if _, rest, ok := strings.Cut(string(stat), ") "); ok {
			var user, system int64
			if f := strings.Fields(rest); len(f) > 12 {
				_, _ = fmt.Sscan(f[11]+" "+f[12], &user, &system)
			}
			u.Database += float64(user+system) / 100 // clock ticks are 10 ms
		}
	}
	u.Others = busy() - u.Server - u.Database // of which only the difference says anything
	return u
}

// placed splits the placing into tenths of the instances.
func (r *result) placed(samples []sample, began time.Time) {
	slices.SortFunc(samples, func(a, b sample) int { return int(a.up - b.up) })
	last, from := int64(0), began
	for _, s := range samples {
		for n := len(r.Tenths) + 1; n <= 10 && s.up >= int64(r.Instances)*int64(n)/10; n = len(r.Tenths) + 1 {
			r.Tenths = append(r.Tenths, float64(int64(float64(s.up-last)/s.at.Sub(from).Seconds())))
			last, from = s.up, s.at
		}
	}
	r.Seconds = samples[len(samples)-1].at.Sub(began).Seconds()
	r.PerSecond = float64(int64(float64(r.Instances) / r.Seconds))
}

func (r *result) print(w io.Writer) {
	fmt.Fprintf(w, "\n%d hosts, %d instances of %d apps\n", r.Hosts, r.Instances, r.Apps)
	fmt.Fprintf(w, "%-44s %10.0f\n", "placed and up, per second", r.PerSecond)
	fmt.Fprintf(w, "%-44s %v\n", "    by tenth", r.Tenths)
	fmt.Fprintf(w, "%-44s %10.1f %10.1f %10.1f\n", "    CPU s: server and agents, Postgres, others", r.CPU.Server, r.CPU.Database, r.CPU.Others)
	fmt.Fprintf(w, "%-44s %v\n", "    CPU s by tenth, without others", r.TenthsCPU)
	fmt.Fprintf(w, "%-44s %10.1f %10.1f %10.1f\n", "pass over nothing to do, ms: min median max", r.IdlePass.Min, r.IdlePass.Median, r.IdlePass.Max)
	fmt.Fprintf(w, "%-44s %10.1f %10.1f\n", fmt.Sprintf("    CPU seconds in %.0f s of rest", r.IdleSeconds), r.IdleCPU.Server, r.IdleCPU.Database)
	fmt.Fprintf(w, "%-44s %10.1f %10.1f %10.1f\n", fmt.Sprintf("loss of a host with %v, ms", r.LostEach), r.Replaced.Min, r.Replaced.Median, r.Replaced.Max)
	fmt.Fprintf(w, "%-44s %10.0f %10.0f\n", "memory, MB: server and agents, Postgres", r.ServerRSS, r.DatabaseMB)
	fmt.Fprintf(w, "%-44s %10d\n", "hosts overbooked", r.Overbooked)
	fmt.Fprintf(w, "%s, %s cores, load %s before the run\n", r.Machine["cpu"], r.Machine["cores"], r.Machine["load"])
}

func ownVersions() map[string]string {
	v := map[string]string{"go": runtime.Version(), "GOGC": cmp.Or(os.Getenv("GOGC"), "100")}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/jackc/pgx/v5" {
				v["pgx"] = d.Version
			}
		}
	}
	return v
}
