package server

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// PlanDrill says what a drill on a host would touch, and changes nothing.
func (s *Service) PlanDrill(ctx context.Context, actor Actor, host string) (Drill, error) {
	if err := allowAdmin(actor, "rehearse the loss of hosts"); err != nil {
		return Drill{}, err
	}
	rows, err := s.Hosts(ctx, actor)
	if err != nil {
		return Drill{}, err
	}
	h, err := findHost(rows, host)
	if err != nil {
		return Drill{}, err
	}
	if err := mayLose(rows, h, time.Now()); err != nil {
		return Drill{}, err
	}
	d := Drill{HostID: h.ID, Host: h.Name, Actor: actor.Email}
	d.Report.Apps, err = s.foresee(ctx, h.ID)
	return d, err
}

// mayLose refuses a drill that would not be one, or that the guard against a
// false alarm of our own would stop half way.
func mayLose(rows []HostRow, h HostRow, now time.Time) error {
	const nothing = " Nothing was changed."
	switch {
	case h.Local:
		return Errorf(ErrConflict, "%s is the control plane's own machine: with it goes what would rehearse its loss."+nothing, h.Name)
	case h.State == HostLost || h.Silent(now) || h.SeenAt.IsZero():
		return &Error{ID: ErrConflict, Message: h.Name + " is not heard of as it is." + nothing, Next: "See how it is: paas hosts:info " + h.Name}
	}
	census := censusOf(rows, now)
	if census.Silent++; census.doubtful() {
		return Errorf(ErrConflict, "With %s, %d of %d other machines would be silent: the control plane would suspect itself and declare none of them lost."+nothing, h.Name, census.Silent, census.Remote)
	}
	for _, o := range rows {
		if o.ID != h.ID && (o.State == HostReady || o.State == HostSettling) && !o.Silent(now) {
			return nil
		}
	}
	return &Error{ID: ErrConflict, Message: "No other host takes dynos." + nothing, Next: "See how they are: paas hosts"}
}

func (s *Service) foresee(ctx context.Context, hostID string) ([]DrillApp, error) {
	ids, err := s.store.AppsOn(ctx, hostID)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	entries, err := s.store.HostEntries(ctx, nil)
	if err != nil {
		return nil, err
	}
	snaps, err := s.store.AppSnapshots(ctx, ids)
	if err != nil {
		return nil, err
	}
	return foresee(plainHosts(entries), snaps, hostID, time.Now()), nil
}

// StartDrill has the control plane not listen to a host for a while, as if it
// had died. It ends by itself.
func (s *Service) StartDrill(ctx context.Context, actor Actor, host string, o DrillOrder) (Drill, error) {
	d, err := s.PlanDrill(ctx, actor, host)
	if err != nil {
		return Drill{}, err
	}
	if o.For < ShortestDrill || o.For > LongestDrill {
		return Drill{}, Errorf(ErrInvalid, "A drill lasts %d seconds to %d minutes. Nothing was changed.", ShortestDrill/time.Second, LongestDrill/time.Minute)
	}
	if waits := d.Report.homeless(); len(waits) > 0 && !o.Force {
		return Drill{}, &Error{ID: ErrConflict, Message: "No other host takes these, which would be away for all of the drill:\n" + few(waits, 10) + "\nNothing was changed.",
			Next: "If that may be: paas drill " + d.Host + " --force"}
	}
	return s.store.CreateDrill(ctx, d, o.For)
}

// few is the first lines of a list, and how many there are more.
func few(list []string, most int) string {
	if n := len(list) - most; n > 0 {
		list = append(list[:most:most], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(list, "\n")
}

// Drill is the newest drill of a host, with what was measured.
func (s *Service) Drill(ctx context.Context, actor Actor, host string) (Drill, error) {
	if err := allowAdmin(actor, "look at drills"); err != nil {
		return Drill{}, err
	}
	h, err := s.Host(ctx, actor, host)
	if err != nil {
		return Drill{}, err
	}
	d, err := s.store.LastDrill(ctx, h.ID)
	if IsID(err, ErrNotFound) {
		return Drill{}, &Error{ID: ErrNotFound, Message: "The loss of " + h.Name + " was never rehearsed.", Next: "To do so: paas drill " + h.Name}
	}
	return d, err
}

// EndDrill gives the host of a drill back at once. One that is over stays as it is.
func (s *Service) EndDrill(ctx context.Context, actor Actor, host string) (Drill, error) {
	d, err := s.Drill(ctx, actor, host)
	if err != nil {
		return Drill{}, err
	}
	if err := s.store.EndDrill(ctx, d.ID, actor.Email); err != nil {
		return Drill{}, err
	}
	return s.store.LastDrill(ctx, d.HostID)
}
