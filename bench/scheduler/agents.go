package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"paas/scheduler/agent"
	"paas/server"
)

// agents are all hosts' agents, as far as the control plane sees them.
type agents struct {
	control *server.Control
	up      atomic.Int64 // instances of which it is stored that they are up
	errs    atomic.Int64

	mu      sync.Mutex
	samples []sample // how many were up when
	dead    map[string]bool
	came    func(host string, n int) // while somebody waits for it
}

type sample struct {
	at time.Time
	up int64
}

func newAgents(c *server.Control) *agents { return &agents{control: c, dead: map[string]bool{}} }

// run is one agent: what is assigned starts and is up at once, what is to stop
// stops at once.
func (a *agents) run(ctx context.Context, host string) {
	have := map[string]bool{}
	for set := range a.control.Watch(ctx, host) {
		if a.isDead(host) {
			return
		}
		var starting, up, stopped []agent.Status
		named := make(map[string]bool, len(set))
		for _, as := range set {
			named[as.ID] = true
			switch {
			case as.Ahead:
			case as.Stop:
				stopped = append(stopped, agent.Status{ID: as.ID, State: agent.Stopped})
				delete(have, as.ID)
			case !have[as.ID]:
				have[as.ID] = true
				addr := fmt.Sprintf("10.0.0.1:%d", 20000+len(have))
				starting = append(starting, agent.Status{ID: as.ID, State: agent.Starting})
				up = append(up, agent.Status{ID: as.ID, State: agent.Up, Addr: addr})
			}
		}
		for id := range have {
			if !named[id] {
				delete(have, id)
			}
		}
		a.tell(ctx, host, stopped)
		if len(up) > 0 {
			a.tell(ctx, host, starting)
			a.tell(ctx, host, up)
			a.count(host, len(up))
		}
	}
}

// tell reports until it is taken, as agents do.
func (a *agents) tell(ctx context.Context, host string, list []agent.Status) {
	for len(list) > 0 && ctx.Err() == nil {
		if err := a.control.Report(ctx, host, list); err == nil || ctx.Err() != nil {
			return
		}
		a.errs.Add(1)
		time.Sleep(100 * time.Millisecond)
	}
}

func (a *agents) count(host string, n int) {
	up := a.up.Add(int64(n))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.samples = append(a.samples, sample{at: time.Now(), up: up})
	if a.came != nil {
		a.came(host, n)
	}
}

func (a *agents) isDead(host string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dead[host]
}

func (a *agents) kill(host string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dead[host] = true
}

// beats are of all hosts that live.
func (a *agents) beats(hosts []string) []server.HostBeat {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]server.HostBeat, 0, len(hosts))
	for _, h := range hosts {
		if !a.dead[h] {
			list = append(list, server.HostBeat{Host: h, Engine: true})
		}
	}
	return list
}
