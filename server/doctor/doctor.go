// Package doctor looks at the machine a server runs on, or is to run on, and
// says what is in order, what is not, why, and what to type next.
//
// Every check is a pure function of the facts it needs; gathering the facts
// (files, sockets, the Docker Engine's own API) is apart, in facts_*.go.
package doctor

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Status is the outcome of one check.
type Status string

// The outcomes. A Fail is something that paas cannot work with.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Result is the outcome of one check.
type Result struct {
	Check  string `json:"check"` // what was looked at
	Status Status `json:"status"`
	Found  string `json:"found"`                 // what is there, on one line
	Cause  string `json:"cause,omitempty"`       // why it is not ok, and what follows
	Next   string `json:"next,omitempty"`        // the command to type next
	Below  bool   `json:"below_floor,omitempty"` // a version with a known hole
}

// Report is all results of one run.
type Report struct {
	Results  []Result `json:"results"`
	Warnings int      `json:"warnings"`
	Failures int      `json:"failures"`
}

// Config says what is to be looked at on a control plane's machine. Empty fields
// take the defaults of `paas standalone`.
type Config struct {
	// ServerOnly is the machine of `paas server`: it runs no dynos and no router.
	ServerOnly bool
	DataDir    string   // /var/lib/paas
	Docker     string   // path of the engine's unix socket; /var/run/docker.sock
	Buildkitd  string   // path of buildkitd; next to the program when empty
	Program    string   // path of the running program, to find buildkitd next to it
	Listen     []string // addresses the control plane listens on
	// Clock gives how far this machine's clock is ahead of that of the server at
	// an address; nil: other servers are not asked.
	Clock func(ctx context.Context, addr string) (ahead time.Duration, err error)
	// Timeout bounds each thing that is asked over a socket or as a program; 5 s.
	Timeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.DataDir == "" {
		c.DataDir = "/var/lib/paas"
	}
	if c.Docker == "" {
		c.Docker = "/var/run/docker.sock"
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	return c
}

// Run makes every check. It changes nothing on the machine.
func Run(ctx context.Context, cfg Config) Report {
	cfg = cfg.withDefaults()
	paas := askPaas(ctx, cfg)
	data := statDataDir(cfg.DataDir)
	build := readBuild()

	results := []Result{checkControlMachine(cfg.ServerOnly)}
	add := func(r ...Result) { results = append(results, r...) }
	if !cfg.ServerOnly {
		add(runsDynos(ctx, cfg)...)
	}
	add(checkGit(askVersion(ctx, cfg, "git", "--version")))
	if !cfg.ServerOnly {
		add(checkSSH(askVersion(ctx, cfg, "ssh", "-V")), checkPostgres(findPostgres(ctx, cfg)))
	}
	add(checkBuildkitd(findBuildkitd(cfg)))
	add(checkDataDir(data), checkDisk(statDisk(data.nearest)), checkMemory(readMemory()))
	add(checkPaas(paas, cfg.program()))
	for _, addr := range cfg.Listen {
		add(checkPort(tryListen(ctx, addr), paas.answers()))
	}
	if paas.answers() {
		add(checkFleet(askFleet(ctx, cfg, paas.socket))...)
	}
	add(checkGo(build.goVersion))
	add(checkModules(build)...)
	return report(results)
}

// runsDynos are the checks of what runs the dynos of this machine.
func runsDynos(ctx context.Context, cfg Config) []Result {
	engine := askEngine(ctx, cfg)
	return []Result{checkEngine(engine), checkCgroup(engine), checkRunc(engine), checkContainerd(engine), checkOverlay(engine, readFilesystems()),
		checkFirewall(askVersion(ctx, cfg, "iptables", "-w", "5", "-S", "INPUT"))}
}

// program is the command that runs a control plane on the machine.
func (c Config) program() string {
	if c.ServerOnly {
		return "paas server"
	}
	return "paas standalone"
}

func checkControlMachine(serverOnly bool) Result {
	found := "a control plane with router and dynos (paas standalone)"
	if serverOnly {
		found = "a control plane (paas server)"
	}
	return Result{Check: "this machine", Status: OK, Found: found}
}

func report(results []Result) Report {
	r := Report{Results: results}
	for _, x := range results {
		switch x.Status {
		case Warn:
			r.Warnings++
		case Fail:
			r.Failures++
		case OK:
		}
	}
	return r
}

// Write prints a report for people.
func (r Report) Write(w io.Writer) error {
	width := 0
	for _, x := range r.Results {
		width = max(width, len(x.Check))
	}
	for _, x := range r.Results {
		if _, err := fmt.Fprintf(w, "%-4s  %-*s  %s\n", x.Status, width, x.Check, x.Found); err != nil {
			return err
		}
		for _, l := range [2][2]string{{"why:  ", x.Cause}, {"next: ", x.Next}} {
			if l[1] == "" {
				continue
			}
			if _, err := fmt.Fprintf(w, "      %-*s  %s%s\n", width, "", l[0], l[1]); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "\n%d checks: %d ok, %d warnings, %d failures\n",
		len(r.Results), len(r.Results)-r.Warnings-r.Failures, r.Warnings, r.Failures)
	return err
}
