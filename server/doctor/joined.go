package doctor

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Joined is what a host or router knows of the control plane it belongs to.
type Joined struct {
	Role   string // "host" or "router"
	Name   string
	Server string // host:port of the control plane
	Start  string // the command that runs it
	Lock   string // file that its process holds
	// From and Until are the life of its certificate.
	From, Until time.Time
	// Known asks the control plane whether it still knows this machine: removed
	// says that it does not, err that it could not be asked.
	Known func(ctx context.Context) (removed bool, err error)
}

// checks are those of every machine that has joined; none when it has not.
func (j *Joined) checks(ctx context.Context, cfg Config) []Result {
	if j == nil {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	removed, err := j.Known(limited)
	return []Result{
		{Check: "this machine", Status: OK, Found: fmt.Sprintf("the %s %s of %s", j.Role, j.Name, j.Server)},
		checkRunning(*j, isHeld(j.Lock)), checkKnown(*j, removed, err), checkCertificate(*j, time.Now())}
}

func checkRunning(j Joined, runs bool) Result {
	r := Result{Check: j.Start, Status: OK, Found: "runs"}
	if !runs {
		r.Status, r.Found, r.Next = Warn, "does not run", j.Start
		r.Cause = "the control plane counts this machine as lost"
	}
	return r
}

func checkKnown(j Joined, removed bool, err error) Result {
	r := Result{Check: "control plane", Status: OK, Found: j.Server + " answers, and knows this " + j.Role}
	switch {
	case removed:
		r.Status, r.Found = Fail, j.Server+" does not know this "+j.Role+" any more"
		r.Cause = "it was removed there, or its certificate ended long ago: " + err.Error()
		r.Next = "where paas is logged in: paas " + j.Role + "s:add " + j.Name + ", and join anew by what that prints"
	case err != nil:
		r.Status, r.Found, r.Cause = Warn, j.Server+" was not reached", err.Error()
		r.Next = "see that this machine has a way to " + j.Server
	}
	return r
}

// checkCertificate: it is renewed at half of its life.
func checkCertificate(j Joined, now time.Time) Result {
	r := Result{Check: "certificate", Status: OK, Found: "good until " + j.Until.UTC().Format(time.DateTime) + " UTC"}
	switch {
	case now.After(j.Until):
		r.Status, r.Found = Fail, "ended at "+j.Until.UTC().Format(time.DateTime)+" UTC"
		r.Cause = "the control plane takes nothing from this machine until it is renewed, which " + j.Start + " tries all the time"
		r.Next = j.Start + ", and look at its log"
	case now.After(j.From.Add(j.Until.Sub(j.From) * 3 / 4)):
		r.Status = Warn
		r.Cause = "it should have been renewed at half of its life"
		r.Next = j.Start + ", and look at its log"
	}
	return r
}

// isHeld says whether a process holds a lock file.
func isHeld(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	// Shared, and given back at once by closing: it keeps out nobody who comes later.
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}
