package server

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// routerTokenLife is how long a router may take to join.
const routerTokenLife = time.Hour

const routerTokenPrefix = "paasrouter_"

// behindAfter is how long a router may take to say that it serves from a table
// until people are told.
const behindAfter = 2 * time.Second

// Rows gives all routers by name, the one in this process first.
func (r *Routers) Rows(ctx context.Context) ([]RouterRow, error) {
	rows, err := r.store.NoteRouters(ctx, nil)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range rows {
		r.describe(&rows[i], now)
	}
	if l := r.cfg.Local; l.ID != "" {
		row := RouterRow{ID: l.ID, Name: BuiltInRouter, Local: true, Addr: l.Addr, Version: l.Version, SeenAt: now}
		row.stand(r.traffic.standing(l.ID), now)
		rows = slices.Insert(rows, 0, row)
	}
	return rows, nil
}

// describe adds what is known here only; r.mu is held.
func (r *Routers) describe(row *RouterRow, now time.Time) {
	row.State = RouterLost
	m := r.routers[row.ID]
	if m == nil || m.lost || m.heard.IsZero() {
		if row.SeenAt.IsZero() {
			row.Note = "joined, but not heard of yet: start it there with paas router"
		} else {
			row.Note = "not heard of: it serves from the table it had, and deploys do not wait for it. If it is gone for good: paas routers:remove " + row.Name
		}
		return
	}
	row.SeenAt, row.Addr, row.Version = m.heard, m.said.Addr, m.said.Version
	row.Findings = m.findings
	row.stand(r.traffic.standing(row.ID), now)
}

// stand says how far a router is that is heard of.
func (row *RouterRow) stand(s standing, now time.Time) {
	row.Table, row.Newest, row.Busy, row.State = s.acked, s.newest, s.busy, RouterReady
	if !s.there || s.acked < s.newest && now.Sub(s.published) > behindAfter {
		row.State = RouterBehind
		row.Note = fmt.Sprintf("has not said that it serves from the newest table, which is %s old; deploys wait for it", now.Sub(s.published).Round(time.Second))
		if !s.there || s.newest == 0 {
			row.Note = "does not follow the table yet"
		}
	}
}

// Routers lists the routers, for everyone who is signed in; addresses and
// versions are told to admins only.
func (s *Service) Routers(ctx context.Context, actor Actor) ([]RouterRow, error) {
	if err := allowAccount(actor, ScopeRead, ScopeWrite); err != nil {
		return nil, err
	}
	if s.cfg.Routers == nil {
		return nil, nil
	}
	rows, err := s.cfg.Routers.Rows(ctx)
	if err != nil || actor.Admin {
		return rows, err
	}
	for i := range rows {
		rows[i].Addr, rows[i].Version, rows[i].Findings = "", "", nil
	}
	return rows, nil
}

// Router finds one by name or id.
func (s *Service) Router(ctx context.Context, actor Actor, name string) (RouterRow, error) {
	rows, err := s.Routers(ctx, actor)
	if err != nil {
		return RouterRow{}, err
	}
	i := slices.IndexFunc(rows, func(r RouterRow) bool { return r.Name == name || r.ID == name })
	if i < 0 {
		return RouterRow{}, &Error{ID: ErrNotFound, Message: "Couldn't find that router.", Next: "See which there are: paas routers"}
	}
	return rows[i], nil
}

// AddRouter invites one router, for an hour. An invitation of the same name
// that was not used is void. Admins only, as all that changes routers.
func (s *Service) AddRouter(ctx context.Context, actor Actor, name string) (RouterInvitation, error) {
	if err := allowAdmin(actor, "add routers"); err != nil {
		return RouterInvitation{}, err
	}
	if !hostName.MatchString(name) || name == BuiltInRouter {
		return RouterInvitation{}, Errorf(ErrInvalid, "Router name %q must start and end with a letter or digit, hold only lower-case letters, digits, dots and dashes, be 1 to 63 characters long, and not be %s. Nothing was changed.", name, BuiltInRouter)
	}
	var at FleetAddress
	if s.cfg.Fleet != nil {
		at = s.cfg.Fleet()
	}
	if at.Addr == "" {
		return RouterInvitation{}, &Error{ID: ErrUnavailable, Message: "No router can join: the control plane has no address for other machines. Nothing was changed.",
			Next: "Start it with one: paas standalone --fleet :8443"}
	}
	i := RouterInvitation{Router: name, Token: newSecret(routerTokenPrefix), Fleet: at.Addr, CA: at.CA}
	var err error
	i.ExpiresAt, err = s.store.InviteRouter(ctx, RouterToken{Hash: hashOf(i.Token), Router: name, Actor: actor.Email, Life: routerTokenLife})
	return i, err
}

// RemoveRouter forgets a router, and gives it as it was. It is told no tables
// any more, and deploys do not wait for it.
func (s *Service) RemoveRouter(ctx context.Context, actor Actor, name string) (RouterRow, error) {
	if err := allowAdmin(actor, "remove routers"); err != nil {
		return RouterRow{}, err
	}
	row, err := s.Router(ctx, actor, name)
	if err != nil {
		return RouterRow{}, err
	}
	if row.Local {
		return row, Errorf(ErrConflict, "Router %s runs in the control plane's own process and cannot be removed. Nothing was changed.", row.Name)
	}
	return row, s.store.RemoveRouter(ctx, row.ID, actor.Email)
}
