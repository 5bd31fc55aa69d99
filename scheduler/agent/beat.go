package agent

import (
	"context"
	"time"
)

// Beat tells the control plane that the host is there. It is sent at each
// Config.Heartbeat, whatever else is going on: one that stays out for longer
// than the lease makes the host a lost one.
type Beat struct {
	At     time.Time // by the host's clock, for people; leases go by the database's
	Engine bool      // the container engine answers
	Stock  *Stock    // what the host has; nil in most beats
}

// beats sends them until ctx ends.
func (a *Agent) beats(ctx context.Context) {
	tick := time.NewTicker(a.cfg.Heartbeat)
	defer tick.Stop()
	for n := 0; ; n++ {
		a.control.Beat(a.cfg.Host, Beat{At: time.Now(), Engine: a.engineAnswers(), Stock: a.stock.due(n)})
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// answered notes that the engine answered a survey.
// That is told by the time since the agent began, so that no clock that is set
// makes an engine dead, or keeps a dead one alive.
func (a *Agent) answered() { a.answer.Store(int64(time.Since(a.born)) + 1) }

// engineAnswers says whether one of the last two surveys was answered: a
// paused engine fails no call before its deadline, so silence counts too.
func (a *Agent) engineAnswers() bool {
	last := a.answer.Load()
	return last != 0 && time.Since(a.born)-time.Duration(last) < 2*a.cfg.Survey+time.Second
}
