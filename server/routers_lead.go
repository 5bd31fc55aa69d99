package server

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Lead is part for a leader that counts the routers first, and watches over
// them meanwhile: what part stops, no router that is heard of serves any more.
func (r *Routers) Lead(part func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if !r.begin(ctx) {
			return nil
		}
		defer r.end()
		ctx, cancel := context.WithCancel(ctx)
		var watch sync.WaitGroup
		defer watch.Wait()
		defer cancel()
		watch.Go(func() { r.watch(ctx) })
		return part(ctx)
	}
}

// begin holds every router that there is; false when ctx ended first.
func (r *Routers) begin(ctx context.Context) bool {
	rows, err := r.store.NoteRouters(ctx, nil)
	for told := false; err != nil; rows, err = r.store.NoteRouters(ctx, nil) {
		if !told {
			r.log.Warn("read which routers there are; nothing old is stopped before that", "err", err)
			told = true
		}
		if !wait(ctx, r.cfg.Note/4) {
			return false
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leads = true
	for _, row := range rows {
		m := r.known(row.ID)
		m.name, m.until = row.Name, time.Now().Add(2*r.cfg.Lease)
		r.traffic.hold(row.ID)
	}
	r.traffic.counted(r.alone())
	return ctx.Err() == nil
}

// alone says that there is no router anywhere; r.mu is held.
func (r *Routers) alone() bool { return len(r.routers) == 0 && r.cfg.Local.ID == "" }

// end forgets all: the next leader hears of them anew.
func (r *Routers) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leads = false
	r.traffic.uncounted()
	for id := range r.routers {
		r.forget(id)
	}
}

// forget ends what there is of a router; r.mu is held.
func (r *Routers) forget(id string) {
	if cut := r.routers[id].cut; cut != nil {
		cut()
	}
	r.traffic.release(id)
	delete(r.routers, id)
}

// watch declares routers lost, stores who was heard of and forgets those that
// were removed, until ctx ends.
func (r *Routers) watch(ctx context.Context) {
	noted := time.Now()
	for wait(ctx, r.cfg.Lease/10) {
		r.judge(time.Now())
		if time.Since(noted) < r.cfg.Note {
			continue
		}
		noted = time.Now()
		r.note(ctx)
	}
}

// judge releases routers that are silent: what they serve from is their last
// table, and deploys go on without them.
func (r *Routers) judge(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, m := range r.routers {
		if m.lost || now.Before(m.until) {
			continue
		}
		r.leave(id, m)
		r.log.Error("router is lost; it serves from the table it has, and deploys do not wait for it", "router", m.name)
	}
}

// leave makes a router one that nobody waits for; r.mu is held.
func (r *Routers) leave(id string, m *remote) {
	m.lost = true
	if m.cut != nil {
		m.cut()
	}
	m.cut, m.stream = nil, ""
	r.traffic.release(id)
}

func (r *Routers) note(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Note)
	defer cancel()
	rows, err := r.store.NoteRouters(ctx, r.unstored(time.Now()))
	if err != nil {
		return // they are heard of here; what else the database is needed for says that it is away
	}
	there := make(map[string]string, len(rows))
	for _, row := range rows {
		there[row.ID] = row.Name
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range slices.Collect(maps.Keys(r.routers)) {
		m, name := r.routers[id], there[id]
		switch {
		case name != "":
			m.name = name
		case m.name != id || m.lost: // one that joined while rows were read has no name here yet
			r.forget(id)
		}
	}
	if r.alone() != r.traffic.without() {
		r.traffic.counted(r.alone())
	}
}

// unstored gives who was heard of since it was last asked.
func (r *Routers) unstored(now time.Time) (list []RouterSeen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, m := range r.routers {
		if m.unstored {
			list = append(list, RouterSeen{ID: id, Age: now.Sub(m.heard), Addr: m.said.Addr, Version: m.said.Version})
			m.unstored = false
		}
	}
	return list
}
