package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"paas/scheduler"
)

const (
	movesPlanned = 100 // of one plan
	movesAtOnce  = 4   // that are begun while no other is under way
)

// MoveStore begins moves.
type MoveStore interface {
	// MoveInstance marks an instance that is up to be replaced, start-first; one
	// that is not as it was is ErrStale.
	MoveInstance(ctx context.Context, m Moved, actor string) error
}

// Moved is an instance that is moved, or would be.
type Moved struct {
	AppID, App string
	Instance   string // id
	Name       string // "web.1"
	From, To   string // names of hosts
	Why        string
}

// Rebalanced is what a look at the load found.
type Rebalanced struct {
	Moves    []Moved // still to do; the first Begun of them are begun
	Begun    int
	Cut      bool // there is more than is looked at in one go; the next look begins elsewhere
	Underway int  // dynos that are on their way in or out, whoever has asked for it
}

// RebalanceOrder says what may move.
type RebalanceOrder struct {
	App    string // empty: all
	DryRun bool
}

// PlanRebalance says which dynos are to move so that the load of the hosts is
// even, of one app or, when that is empty, of all. It changes nothing.
func (s *Service) PlanRebalance(ctx context.Context, actor Actor, app string) (Rebalanced, error) {
	if err := allowAdmin(actor, "move dynos between hosts"); err != nil {
		return Rebalanced{}, err
	}
	only := ""
	if app != "" {
		a, err := s.app(ctx, actor, app, PermOperate)
		if err != nil {
			return Rebalanced{}, err
		}
		only = a.ID
	}
	return s.findMoves(ctx, only)
}

// Rebalance says which dynos are to move so that the load of the hosts is even,
// and begins with a few of them unless others are under way. Said again and again
// until there is nothing to do, it does all of it; who stops saying it stops it.
func (s *Service) Rebalance(ctx context.Context, actor Actor, o RebalanceOrder) (Rebalanced, error) {
	out, err := s.PlanRebalance(ctx, actor, o.App)
	if err != nil || o.DryRun || out.Underway > 0 {
		return out, err
	}
	for _, m := range out.Moves[:min(len(out.Moves), movesAtOnce)] {
		switch err := s.store.MoveInstance(ctx, m, actor.Email); {
		case errors.Is(err, ErrStale): // the next look finds what is so now
			return out, nil
		case err != nil:
			return out, err
		}
		out.Begun++
	}
	return out, nil
}

func (s *Service) findMoves(ctx context.Context, only string) (out Rebalanced, err error) {
	ids, err := s.store.AppIDs(ctx)
	if err != nil {
		return out, err
	}
	var snaps []Snapshot
	for some := range slices.Chunk(ids, lookBatch) {
		list, err := s.store.AppSnapshots(ctx, some)
		if err != nil {
			return out, err
		}
		snaps = append(snaps, list...)
	}
	entries, err := s.store.HostEntries(ctx, nil)
	if err != nil {
		return out, err
	}
	hosts := plainHosts(entries)
	states := make([]scheduler.State, len(snaps))
	for i := range snaps {
		states[i] = snaps[i].State
		states[i].Now = time.Now()
		out.Underway += replacing(states[i])
		if only != "" && snaps[i].App.ID != only {
			states[i].Release = "" // it stays where it is
		}
	}
	moves, cut := scheduler.Balance(states, hosts, 0, movesPlanned)
	if cut && len(moves) == 0 { // none of the first ones can move, but others may
		moves, cut = scheduler.Balance(states, hosts, rand.IntN(len(states)), movesPlanned)
	}
	out.Cut = cut
	for _, m := range moves {
		snap := snaps[m.State]
		out.Moves = append(out.Moves, Moved{AppID: snap.App.ID, App: snap.App.Name, Instance: m.Instance, Name: snap.Names[m.Instance],
			From: hostNameOf(hosts, m.From), To: hostNameOf(hosts, m.To), Why: m.Why})
	}
	return out, nil
}

// replacing counts those that are on their way in or out. What waits for a host, or
// crashed, may do so for ever: nobody waits for it.
func replacing(st scheduler.State) (n int) {
	for _, in := range st.Instances {
		switch {
		case in.OneOff:
		case in.Replace && in.State == scheduler.Up, in.State == scheduler.Assigned, in.State == scheduler.Starting,
			in.State == scheduler.Draining, in.State == scheduler.Stopping:
			n++
		}
	}
	return n
}

func hostNameOf(hosts []scheduler.Host, id string) string {
	for i := range hosts {
		if hosts[i].ID == id {
			return hosts[i].Name
		}
	}
	return id
}

// String is a move in words: "web.1 from host-1 to host-2: …".
func (m Moved) String() string {
	return fmt.Sprintf("%s from %s to %s: %s", m.Name, m.From, m.To, m.Why)
}
