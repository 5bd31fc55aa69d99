package doctor

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// AgentConfig says what is to be looked at on a host. Empty fields take the
// defaults of `paas agent`.
type AgentConfig struct {
	DataDir string // /var/lib/paas-agent
	Docker  string // path of the engine's unix socket
	// Clock gives how far this machine's clock is ahead of the control plane's;
	// nil: it is not asked.
	Clock  func(ctx context.Context) (ahead time.Duration, err error)
	Joined *Joined // nil: it is about to join, or is asked by its own agent
	// Timeout bounds each thing that is asked; 5 s.
	Timeout time.Duration
}

// RunAgent makes every check that matters for a host. It changes nothing.
func RunAgent(ctx context.Context, a AgentConfig) Report {
	if a.DataDir == "" {
		a.DataDir = "/var/lib/paas-agent"
	}
	cfg := Config{DataDir: a.DataDir, Docker: a.Docker, Timeout: a.Timeout}.withDefaults()
	engine := askEngine(ctx, cfg)
	data := statDataDir(cfg.DataDir)
	build := readBuild()
	results := a.Joined.checks(ctx, cfg)
	results = append(results, checkEngine(engine), checkCgroup(engine), checkRunc(engine), checkContainerd(engine), checkKernel(readKernel()),
		checkOverlay(engine, readFilesystems()), checkFirewall(askVersion(ctx, cfg, "iptables", "-w", "5", "-S", "INPUT")),
		ofAgent(checkDataDir(data)), checkRoom(engine, statDisk(engine.root)), checkMemory(readMemory()))
	if a.Clock != nil {
		ahead, err := askClock(ctx, cfg, a.Clock)
		results = append(results, checkClock(ahead, err))
	}
	results = append(results, checkGo(build.goVersion))
	return report(append(results, checkModules(build)...))
}

// ofAgent says the same of an agent's directory.
func ofAgent(r Result) Result {
	for _, s := range []*string{&r.Found, &r.Cause} {
		*s = strings.NewReplacer("standalone makes it", "joining makes it", "standalone keeps everything below it", "the agent keeps there who this host is",
			"keys and releases of every app lie below", "who can write there is this host").Replace(*s)
	}
	return r
}

func askClock(ctx context.Context, cfg Config, ask func(context.Context) (time.Duration, error)) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	return ask(ctx)
}

const (
	clockWarn = 5 * time.Second // the answer is told by the second
	clockFail = 2 * time.Hour   // certificates are not good yet, or not any more
)

// checkClock: leases go by other clocks, but certificates, logs and figures do not.
func checkClock(ahead time.Duration, err error) Result {
	r := Result{Check: "clock", Status: OK, Found: "as the control plane's"}
	if err != nil {
		r.Status, r.Found, r.Cause = Warn, "unknown", "the control plane was not asked: "+err.Error()
		r.Next = "see that this machine reaches it, then paas doctor"
		return r
	}
	if ahead.Abs() < clockWarn {
		return r
	}
	word := "ahead of"
	if ahead < 0 {
		word = "behind"
	}
	r.Status, r.Found = Warn, fmt.Sprintf("%s %s the control plane's", ahead.Abs().Round(time.Second), word)
	r.Cause, r.Next = "log lines and figures of this host carry other times than the others'", "timedatectl set-ntp true"
	if ahead.Abs() >= clockFail {
		r.Status, r.Cause = Fail, "certificates are not good on this machine"
	}
	return r
}

func readKernel() string {
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease") // told as unknown
	return strings.TrimSpace(string(b))
}

func checkKernel(found string) Result {
	r := Result{Check: "kernel", Status: OK, Found: found}
	v, ok := parseVersion(found)
	switch fl := kernelFloor(); {
	case !ok:
		r.Status, r.Found, r.Cause, r.Next = Warn, "version unknown", "the floor is "+fl.String(), "uname -r"
	case !fl.met(v):
		r.Status, r.Below = Warn, true
		r.Cause, r.Next = fmt.Sprintf("below %s: %s", fl, fl.why), "boot a newer kernel of the distribution"
	}
	return r
}

// checkRoom looks at the file system that the engine keeps images and dynos on.
func checkRoom(f engineFacts, disk diskFacts) Result {
	if f.err != nil || f.root == "" {
		return unknown("disk of the engine")
	}
	r := checkDisk(disk)
	r.Check = "disk of the engine"
	r.Cause = strings.NewReplacer(fmt.Sprintf("from %d %% on pushes are refused; apps go on running", diskFail), "dynos cannot be started; those that run may fail to write",
		fmt.Sprintf("at %d %% pushes are refused", diskFail), "images and what dynos write share what is left").Replace(r.Cause)
	return r
}
