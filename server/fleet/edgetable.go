package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"paas/router"
)

var errOtherBase = errors.New("a change of another table than the one that is here; asking for the whole")

// take reads a frame of the stream of tables. newest holds one table: the last.
func (e *EdgeClient) take(frame []byte, newest chan router.Table) error {
	var f tableFrame
	if err := json.Unmarshal(frame, &f); err != nil {
		return fmt.Errorf("read a routing table: %w", err)
	}
	if f.Edge != nil {
		e.keepEdge(*f.Edge)
	}
	t, ok, err := e.apply(f)
	if err != nil || !ok {
		return err
	}
	select {
	case <-newest:
	default:
	}
	newest <- t
	return nil
}

// apply gives the table that a frame makes; false when it makes none.
func (e *EdgeClient) apply(f tableFrame) (t router.Table, ok bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case f.Stream != "":
		e.stream, e.table, e.routes = f.Stream, 0, nil
		e.untold = e.examined
		return t, false, nil
	case f.Whole != nil:
		e.table, e.routes = f.Whole.Version, byHost(*f.Whole)
	case f.Change != nil:
		if e.routes == nil || f.Change.Base != e.table {
			return t, false, errOtherBase
		}
		e.table = f.Change.Version
		for _, host := range f.Change.Gone {
			delete(e.routes, host)
		}
		for _, r := range f.Change.Set {
			e.routes[r.Host] = r
		}
	default:
		return t, false, nil
	}
	e.remember()
	t = router.Table{Version: e.table, Routes: make([]router.Route, 0, len(e.routes))}
	for _, host := range slices.Sorted(maps.Keys(e.routes)) {
		t.Routes = append(t.Routes, e.routes[host])
	}
	return t, true, nil
}

// remember notes by which stream a table came, of those that may still be
// acknowledged; e.mu is held.
func (e *EdgeClient) remember() {
	const most = 1000
	if len(e.by) >= most {
		have := e.by[e.ack.Version]
		clear(e.by)
		e.by[e.ack.Version] = have
	}
	e.by[e.table] = e.stream
}

// keepEdge notes what the control plane says of the platform, for the next start.
func (e *EdgeClient) keepEdge(info edgeInfo) {
	id := e.c.Identity()
	if id.Edge != nil && *id.Edge == info {
		return
	}
	e.log.Warn("the platform has another domain now; restart this router to take it over", "domain", info.Domain, "platform", info.PlatformHost)
	id.Edge = &info
	e.c.become(id)
}
