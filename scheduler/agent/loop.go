package agent

import (
	"context"
	"time"
)

// survey is one look at all containers of the host.
type survey struct {
	found []Container
	err   error
	prune error
}

// loop holds what Run knows between two steps.
type loop struct {
	*Agent
	sets    <-chan []Assignment
	surveys chan survey

	looking  bool         // a survey is under way
	looked   bool         // the first one came back, well or not
	down     bool         // the last one failed
	found    []Container  // by the first one: what an earlier agent left
	set      []Assignment // the newest one
	received bool         // there was one: only then is anything an orphan
	begun    bool         // the first set was acted on
	// recent holds what went away since the present survey began, which may
	// have seen it still.
	recent map[string]bool
	gone   map[string]bool               // volumes that are being, or were, deleted
	coming map[string]context.CancelFunc // by image: fetches that were begun
}

// step takes in one event and does what follows from it. Nothing in here
// waits for the engine: that is left to each instance.
func (l *loop) step(ctx context.Context, tick <-chan time.Time) {
	select {
	case <-ctx.Done():
		return
	case set, ok := <-l.sets:
		if !ok {
			l.sets = nil // ctx is ending
			return
		}
		l.set, l.received = set, true
		l.converge(ctx)
	case s := <-l.surveys:
		l.take(ctx, s)
	case i := <-l.finished:
		if i.dropped && l.instances[i.a.ID] == i {
			l.forget(i)
			l.converge(ctx) // the set may name it again
		}
	case <-tick:
		l.survey(ctx)
	}
}

// converge makes the instances follow the newest set. It waits for the first
// survey, so that what runs already is taken over and not started again.
func (l *loop) converge(ctx context.Context) {
	if !l.received || !l.looked {
		return
	}
	known := map[string]Container{}
	if !l.begun {
		for _, c := range l.found {
			known[c.Instance] = c
		}
		l.begun, l.found = true, nil
	}
	wanted := make(map[string]bool, len(l.set))
	l.discard(ctx)
	l.ahead(ctx)
	for _, a := range l.set {
		if a.Discard != "" || a.Ahead {
			continue
		}
		wanted[a.ID] = true
		i := l.instances[a.ID]
		if i == nil {
			i = newInstance(l.Agent, a, known[a.ID])
			l.begin(ctx, i)
		}
		if a.Stop {
			i.halt()
		}
	}
	for id, i := range l.instances {
		if !wanted[id] {
			l.drop(i)
		}
	}
	for id := range known {
		l.orphan(ctx, id)
	}
}

// begin starts the goroutine of an instance. It ends with the instance gone
// from the host, or with ctx.
func (l *loop) begin(ctx context.Context, i *instance) {
	l.instances[i.a.ID] = i
	l.roster.put(i)
	l.spawn(func() {
		i.run(ctx)
		select {
		case l.finished <- i:
		case <-ctx.Done():
		}
	})
}

// drop forgets an instance that is in no set any more, and removes what there
// is of it.
func (l *loop) drop(i *instance) {
	if i.dropped {
		return
	}
	i.dropped = true
	l.roster.drop(i)
	l.reporter.forget(i.a.ID)
	i.quiet.Store(true)
	i.halt()
	if i.ended() { // its goroutine has gone before: there is nothing left of it
		l.forget(i)
	}
}

func (l *loop) forget(i *instance) {
	delete(l.instances, i.a.ID)
	l.recent[i.a.ID] = true
	l.prune = true
}

// orphan removes a container that no assignment names.
func (l *loop) orphan(ctx context.Context, id string) {
	if l.instances[id] != nil || l.recent[id] {
		return
	}
	l.log.Info("removing a container that is in no assignment", "instance", id)
	i := newInstance(l.Agent, Assignment{ID: id, Grace: l.cfg.OrphanGrace, Stop: true}, Container{})
	i.dropped = true
	i.quiet.Store(true)
	l.begin(ctx, i)
	l.roster.drop(i)
}

// survey looks at the host in the background; one look at a time.
func (l *loop) survey(ctx context.Context) {
	if l.looking {
		return
	}
	l.looking = true
	clear(l.recent)
	var keep []string
	if l.begun && l.prune {
		keep = l.networks()
	}
	l.spawn(func() {
		s := survey{}
		s.found, s.err = l.rt.List(ctx)
		if s.err == nil && keep != nil {
			s.prune = l.rt.Prune(ctx, keep)
		}
		l.surveys <- s // has room: there is one survey at a time
	})
	l.prune = l.prune && keep == nil
}

// networks names those that instances on this host use; never nil.
func (l *loop) networks() []string {
	keep := make([]string, 0, len(l.instances))
	for _, i := range l.instances {
		keep = append(keep, i.a.Network.Name)
	}
	return keep
}

// take compares a survey with what the instances believe. A survey may be
// older than they are, so it changes nothing by itself: it makes those look
// again that it contradicts.
func (l *loop) take(ctx context.Context, s survey) {
	l.looking = false
	if ctx.Err() != nil {
		return
	}
	if s.err == nil {
		l.answered()
	}
	if s.err != nil != l.down {
		l.down = s.err != nil
		if l.down {
			l.log.Error("cannot list containers; trying on", "err", s.err)
		} else {
			l.log.Info("container engine answers again")
		}
	}
	if s.prune != nil {
		l.prune = true
		l.log.Warn("cannot remove unused networks; trying again", "err", s.prune)
	}
	if !l.looked {
		l.looked, l.found = true, s.found
		l.converge(ctx)
		return
	}
	if s.err != nil || !l.begun {
		return
	}
	running := map[string]bool{}
	for _, c := range s.found {
		running[c.Instance] = c.Running
		l.orphan(ctx, c.Instance)
	}
	for id, i := range l.instances {
		if !running[id] && !closed(i.stop) {
			i.lookAgain()
		}
	}
}
