package server

import (
	"cmp"
	"context"
	"sync"
	"time"
)

// sees is the account whose apps an actor may look at, as stores take it: ""
// is everybody's.
func sees(actor Actor) string {
	if actor.Admin {
		return ""
	}
	return actor.ID
}

// AppList lists by name every app the actor sees, with all that a list shows,
// in as many queries for a thousand apps as for one.
func (s *Service) AppList(ctx context.Context, actor Actor) ([]AppRow, error) {
	if err := allowAccount(actor, ScopeRead, ScopeWrite); err != nil {
		return nil, err
	}
	var sparks map[string]Spark
	var failed error
	var both sync.WaitGroup
	both.Go(func() { sparks, failed = s.Sparks(ctx, actor) })
	rows, err := s.store.AppRows(ctx, sees(actor))
	both.Wait()
	if err = cmp.Or(err, failed); err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].Spark = sparks[rows[i].ID]
	}
	return rows, nil
}

// Hosts lists the hosts to everyone who is signed in. Of what is on them it
// names only what the actor sees, and where a host is and what it runs on only
// admins are told: that is what one who wants to break in asks first.
func (s *Service) Hosts(ctx context.Context, actor Actor) ([]HostRow, error) {
	if err := allowAccount(actor, ScopeRead, ScopeWrite); err != nil {
		return nil, err
	}
	rows, err := s.store.HostRows(ctx, sees(actor))
	if err != nil {
		return nil, err
	}
	for i := range rows {
		h := &rows[i]
		at, use := s.cfg.Meter.hostNow(h.ID)
		if h.Local && at.After(h.SeenAt) { // others' clocks are their own
			h.SeenAt = at
		}
		h.Used = use
		if !actor.Admin {
			h.Addr, h.Agent, h.Engine, h.Boot, h.Findings = "", "", "", "", nil
		}
	}
	if actor.Admin {
		invited, err := s.store.InvitedHosts(ctx)
		if err != nil {
			return nil, err
		}
		rows = withInvited(rows, invited)
	}
	noteHosts(rows, time.Now())
	if s.cfg.Reach == "" {
		noteUnreached(rows)
	}
	return rows, nil
}

// Overview is everything that the page of an app tells at once.
type Overview struct {
	Row       AppRow // without Spark
	Release   *Release
	Deploy    *Deploy // the newest; nil when there was none
	Dynos     []Instance
	Hosts     map[string]string // names, by id
	Formation []Formation
	Domains   []Domain
	Events    []Event // the newest five, newest first
}

const overviewEvents = 5

// Overview reads an app with what runs of it and what happened last.
func (s *Service) Overview(ctx context.Context, actor Actor, ident string) (Overview, error) {
	app, err := s.App(ctx, actor, ident)
	if err != nil {
		return Overview{}, err
	}
	o := Overview{Row: AppRow{App: app}, Hosts: map[string]string{}}
	if o.Dynos, err = s.store.Instances(ctx, app.ID); err != nil {
		return o, err
	}
	if o.Formation, err = s.formation(ctx, app); err != nil {
		return o, err
	}
	if o.Domains, err = s.domainsOf(ctx, app); err != nil {
		return o, err
	}
	if o.Events, err = s.store.Events(ctx, app.ID, overviewEvents); err != nil {
		return o, err
	}
	hosts, err := s.store.HostRows(ctx, sees(actor))
	if err != nil {
		return o, err
	}
	for _, h := range hosts {
		o.Hosts[h.ID] = h.Name
	}
	return o, s.overviewReleases(ctx, &o)
}

func (s *Service) overviewReleases(ctx context.Context, o *Overview) error {
	app := o.Row.App
	deploys, err := s.store.Deploys(ctx, app.ID, Page{Max: 1, Desc: true})
	if err != nil {
		return err
	}
	if len(deploys) > 0 {
		d := deploys[0]
		o.Deploy, o.Row.Deploy = &d, DeployNote{ID: d.ID, State: d.State, At: d.UpdatedAt}
	}
	if app.Current != "" {
		r, err := s.store.Release(ctx, app.ID, app.Current)
		if err != nil {
			return err
		}
		if r.Image.Digest != "" {
			o.Release = &r
			o.Row.Release = ReleaseNote{Version: r.Version, Description: r.Description, User: r.User, At: r.UpdatedAt}
		}
	}
	o.count()
	return nil
}

// count sums up the dynos, as AppRows does for many apps.
func (o *Overview) count() {
	for _, f := range o.Formation {
		if o.Release != nil && f.Type != ReleaseType {
			o.Row.Wanted += f.Quantity
		}
	}
	for _, in := range o.Dynos {
		switch {
		case in.OneOff:
		case in.State == "up":
			o.Row.Up++
		case in.State == "pending", in.State == "assigned", in.State == "starting":
			o.Row.Starting++
		case in.State == "crashed":
			o.Row.Crashed++
		}
	}
}
