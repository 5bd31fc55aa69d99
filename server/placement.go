package server

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"paas/scheduler"
)

// maxConstraints is how many constraints an app may have.
const maxConstraints = 20

// Placement is where an app's instances may be.
func (s *Service) Placement(ctx context.Context, actor Actor, ident string) (scheduler.Placement, error) {
	app, err := s.App(ctx, actor, ident)
	if err != nil {
		return scheduler.Placement{}, err
	}
	return s.store.Placement(ctx, app.ID)
}

// SetPlacement says where an app's instances may be. Those that are elsewhere
// are replaced, start-first; what no host satisfies waits, and says so.
func (s *Service) SetPlacement(ctx context.Context, actor Actor, ident string, p PlacementChange) (scheduler.Placement, error) {
	app, err := s.app(ctx, actor, ident, PermOperate)
	if err != nil {
		return scheduler.Placement{}, err
	}
	if err := checkPlacement(p.Placement); err != nil {
		return scheduler.Placement{}, err
	}
	if !p.Force {
		if err := s.meetable(ctx, app, p.Placement); err != nil {
			return scheduler.Placement{}, err
		}
	}
	if err := s.store.SetPlacement(ctx, app.ID, actor.Email, p); err != nil {
		return scheduler.Placement{}, err
	}
	return s.store.Placement(ctx, app.ID)
}

func checkPlacement(p scheduler.Placement) error {
	if len(p.Constraints) > maxConstraints {
		return Errorf(ErrInvalid, "An app has at most %d constraints. Nothing was changed.", maxConstraints)
	}
	for i, c := range p.Constraints {
		if err := checkLabel(c.Label, c.Value); err != nil {
			return err
		}
		if slices.Contains(p.Constraints[:i], c) {
			return Errorf(ErrInvalid, "The constraint %s is given twice. Nothing was changed.", spellConstraint(c))
		}
		for _, o := range p.Constraints[:i] {
			if contradict(o, c) {
				return Errorf(ErrInvalid, "No host can meet both %s and %s. Nothing was changed.", spellConstraint(o), spellConstraint(c))
			}
		}
	}
	if p.Spread == "" {
		return nil
	}
	return checkLabel(p.Spread, "")
}

// contradict says that no host, whatever its labels, meets both.
func contradict(a, b scheduler.Constraint) bool {
	if a.Label != b.Label || a.Not && b.Not {
		return false
	}
	return (a.Value == b.Value) == (a.Not != b.Not)
}

// meetable refuses constraints that no host meets, whatever its state: nothing
// of the app could run anywhere. A machine that is to join counts.
func (s *Service) meetable(ctx context.Context, app App, p scheduler.Placement) error {
	if len(p.Constraints) == 0 {
		return nil
	}
	hosts, err := s.store.HostEntries(ctx, nil)
	if err != nil {
		return err
	}
	invited, err := s.store.InvitedHosts(ctx)
	if err != nil {
		return err
	}
	labels := make([]map[string]string, 0, len(hosts)+len(invited))
	for _, h := range hosts {
		labels = append(labels, h.Labels)
	}
	for _, t := range invited {
		labels = append(labels, t.Labels)
	}
	if len(labels) == 0 || slices.ContainsFunc(labels, p.Allows) {
		return nil
	}
	p.Spread, p.Unique = "", false
	return &Error{ID: ErrConflict, Message: fmt.Sprintf("No host meets %s: new dynos of %s would start nowhere. Nothing was changed.", SpellPlacement(p), app.Name),
		Next: "See the hosts' labels: paas hosts – or, for hosts that are to come: paas constraints:set --force"}
}

func spellConstraint(c scheduler.Constraint) string {
	if c.Not {
		return c.Label + "!=" + c.Value
	}
	return c.Label + "=" + c.Value
}

// SpellPlacement is a placement in words: "zone=a disk!=slow spread by rack".
func SpellPlacement(p scheduler.Placement) string {
	var words []string
	for _, c := range p.Constraints {
		words = append(words, spellConstraint(c))
	}
	if p.Spread != "" {
		words = append(words, "spread by "+p.Spread)
	}
	if p.Unique {
		words = append(words, "unique per host")
	}
	if len(words) == 0 {
		return "anywhere"
	}
	return strings.Join(words, " ")
}

// Why says of an instance, by name or id, where it is or why it is nowhere:
// what each host says to one like it.
func (s *Service) Why(ctx context.Context, actor Actor, ident, name string) (Why, error) {
	app, err := s.App(ctx, actor, ident)
	if err != nil {
		return Why{}, err
	}
	list, err := s.store.Instances(ctx, app.ID)
	if err != nil {
		return Why{}, err
	}
	in, ok := namedInstance(list, name)
	if !ok {
		return Why{}, &Error{ID: ErrNotFound, Message: "Couldn't find that dyno.", Next: "See which there are: paas ps -a " + app.Name}
	}
	snap, err := s.store.Snapshot(ctx, app.ID)
	if err != nil {
		return Why{}, err
	}
	old := upBeside(list, in)
	w := Why{Instance: in, Reason: in.Reason, Refusals: scheduler.Explain(snap.State, in.ID)}
	for _, h := range snap.State.Hosts {
		if h.ID == in.HostID {
			w.Host = h.Name
		}
		if in.HostID == "" && old.HostID == h.ID {
			w.Old = h.Name
		}
	}
	return w, nil
}

// upBeside is the instance of the same name that is up, if there is one.
func upBeside(list []Instance, in Instance) Instance {
	i := slices.IndexFunc(list, func(o Instance) bool {
		return o.ID != in.ID && o.Type == in.Type && o.Ordinal == in.Ordinal && o.State == string(scheduler.Up)
	})
	if i < 0 {
		return Instance{}
	}
	return list[i]
}

// namedInstance finds an instance by id or name. Two may have one name while one takes
// the other's place: the one that waits for a host is asked about, else the newest.
func namedInstance(list []Instance, name string) (found Instance, ok bool) {
	for _, in := range list {
		switch {
		case in.ID == name:
			return in, true
		case instanceName(in.Type, in.Ordinal) != name:
		case !ok, in.State == string(scheduler.Pending),
			found.State != string(scheduler.Pending) && in.CreatedAt.After(found.CreatedAt):
			found, ok = in, true
		}
	}
	return found, ok
}
