package httpdtest

import (
	"context"
	"slices"
	"strconv"
	"time"

	"paas/server"
)

// Formation lists the process types.
func (f *Fake) Formation(_ context.Context, actor server.Actor, name string) ([]server.Formation, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(a.formation), nil
}

// Scale changes them and the instances.
func (f *Fake) Scale(_ context.Context, actor server.Actor, name string, changes []server.Scaling) ([]server.Formation, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		i := slices.IndexFunc(a.formation, func(o server.Formation) bool { return o.Type == c.Type || o.ID == c.Type })
		if i < 0 {
			return nil, server.Errorf(server.ErrInvalid, "Couldn't find process type %s. Nothing was changed.", c.Type)
		}
		if c.Quantity != nil {
			a.formation[i].Quantity = *c.Quantity
		}
		if c.Size != nil {
			a.formation[i].Size = *c.Size
		}
	}
	f.fill(a)
	return slices.Clone(a.formation), nil
}

// Instances lists what runs.
func (f *Fake) Instances(_ context.Context, actor server.Actor, name string) ([]server.Instance, error) {
	leave, err := f.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(a.instances), nil
}

// Instance finds by id or name.
func (f *Fake) Instance(ctx context.Context, actor server.Actor, name, ident string) (server.Instance, error) {
	all, err := f.Instances(ctx, actor, name)
	for _, i := range all {
		if i.ID == ident || i.Type+"."+strconv.Itoa(i.Ordinal) == ident {
			return i, nil
		}
	}
	if err == nil {
		err = server.Errorf(server.ErrNotFound, "Couldn't find that dyno.")
	}
	return server.Instance{}, err
}

// Restart counts as a crash, so that tests see it.
func (f *Fake) Restart(_ context.Context, actor server.Actor, name, ident string) error {
	leave, err := f.enter()
	if err != nil {
		return err
	}
	defer leave()
	a, err := f.find(actor, name)
	if err != nil {
		return err
	}
	found := ident == ""
	for i, d := range a.instances {
		if slices.Contains([]string{"", d.ID, d.Type, d.Type + "." + strconv.Itoa(d.Ordinal)}, ident) || ident == "" {
			a.instances[i].State, a.instances[i].UpdatedAt, found = "starting", time.Now(), true
		}
	}
	if !found {
		return server.Errorf(server.ErrNotFound, "Couldn't find that dyno. Nothing was changed.")
	}
	return nil
}

// Say appends lines to an app's log.
func (f *Fake) Say(name, source, dyno string, texts ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.apps {
		if a.Name != name {
			continue
		}
		for _, t := range texts {
			at := time.Date(2026, 5, 1, 12, 0, len(a.lines), 123456000, time.UTC)
			a.lines = append(a.lines, server.LogLine{AppID: a.ID, At: at, Source: source, Dyno: dyno, Text: t})
		}
	}
}

// Logs reads what was said; a tail waits for more.
func (f *Fake) Logs(ctx context.Context, actor server.Actor, name string, q server.LogQuery, line func(server.LogLine) error) error {
	seen := 0
	for first := true; ; first = false {
		f.mu.Lock()
		a, err := f.find(actor, name)
		if err != nil {
			f.mu.Unlock()
			return err
		}
		all := slices.DeleteFunc(slices.Clone(a.lines), func(l server.LogLine) bool { return !q.Matches(l) })
		f.mu.Unlock()
		fresh := all[seen:]
		if first && q.Lines > 0 {
			fresh = fresh[max(0, len(fresh)-q.Lines):]
		}
		for _, l := range fresh {
			if err := line(l); err != nil {
				return err
			}
		}
		if seen = len(all); !q.Tail {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
