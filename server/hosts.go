package server

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"paas/scheduler"
)

// MaxLabels is how many labels a host may have.
const MaxLabels = 50

// hostTokenLife is how long a machine may take to join.
const hostTokenLife = time.Hour

const hostTokenPrefix = "paashost_"

var (
	hostName   = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)
	labelName  = regexp.MustCompile(`^[a-z0-9._/-]{1,63}$`)
	labelValue = regexp.MustCompile(`^[A-Za-z0-9._/-]{0,63}$`)
)

// Host finds a host by name or id, for everyone who is signed in.
func (s *Service) Host(ctx context.Context, actor Actor, name string) (HostRow, error) {
	rows, err := s.Hosts(ctx, actor)
	if err != nil {
		return HostRow{}, err
	}
	return findHost(rows, name)
}

func findHost(rows []HostRow, name string) (HostRow, error) {
	i := slices.IndexFunc(rows, func(h HostRow) bool { return h.Name == name || h.ID == name })
	if i < 0 {
		return HostRow{}, &Error{ID: ErrNotFound, Message: "Couldn't find that host.", Next: "See which there are: paas hosts"}
	}
	return rows[i], nil
}

// AddHost invites one machine, for an hour. An invitation of the same name that
// was not used is void. Admins only, as all that changes hosts.
func (s *Service) AddHost(ctx context.Context, actor Actor, name string, labels map[string]string) (HostInvitation, error) {
	if err := allowAdmin(actor, "add hosts"); err != nil {
		return HostInvitation{}, err
	}
	if !hostName.MatchString(name) {
		return HostInvitation{}, Errorf(ErrInvalid, "Host name %q must start and end with a letter or digit, hold only lower-case letters, digits, dots and dashes, and be 1 to 63 characters long. Nothing was changed.", name)
	}
	if err := checkLabels(labels); err != nil {
		return HostInvitation{}, err
	}
	var at FleetAddress
	if s.cfg.Fleet != nil {
		at = s.cfg.Fleet()
	}
	if at.Addr == "" {
		return HostInvitation{}, &Error{ID: ErrUnavailable, Message: "No other machine can join: the control plane has no address for agents. Nothing was changed.",
			Next: "Start it with one: paas standalone --fleet :8443"}
	}
	i := HostInvitation{Host: name, Token: newSecret(hostTokenPrefix), Fleet: at.Addr, CA: at.CA}
	before, err := s.store.InvitedHosts(ctx)
	if err != nil {
		return HostInvitation{}, err
	}
	i.Replaces = slices.ContainsFunc(before, func(t HostToken) bool { return t.Host == name })
	i.ExpiresAt, err = s.store.InviteHost(ctx, HostToken{Hash: hashOf(i.Token), Host: name, Labels: labels, Actor: actor.Email, Life: hostTokenLife})
	if err != nil {
		return HostInvitation{}, err
	}
	return i, nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > MaxLabels {
		return Errorf(ErrInvalid, "A host has at most %d labels. Nothing was changed.", MaxLabels)
	}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if err := checkLabel(k, labels[k]); err != nil {
			return err
		}
	}
	return nil
}

func checkLabel(name, value string) error {
	if !labelName.MatchString(name) {
		return Errorf(ErrInvalid, "Label %q must be 1 to 63 lower-case letters, digits and . _ / -, as in zone=a. Nothing was changed.", name)
	}
	if !labelValue.MatchString(value) {
		return Errorf(ErrInvalid, "Value %q of label %s must be at most 63 letters, digits and . _ / -. Nothing was changed.", value, name)
	}
	return nil
}

// ChangeHost labels, cordons and drains a host, and says what of it is kept
// from instances. The apps concerned are looked at at once.
func (s *Service) ChangeHost(ctx context.Context, actor Actor, name string, c HostChange) (HostRow, error) {
	if err := allowAdmin(actor, "change hosts"); err != nil {
		return HostRow{}, err
	}
	if err := c.check(); err != nil {
		return HostRow{}, err
	}
	h, err := s.Host(ctx, actor, name)
	if err != nil {
		return HostRow{}, err
	}
	if h.State == HostInvited {
		return HostRow{}, Errorf(ErrConflict, "%s has not joined yet. Nothing was changed.", h.Name)
	}
	if err := s.store.ChangeHost(ctx, h.ID, actor.Email, c); err != nil {
		return HostRow{}, err
	}
	for _, text := range c.words() {
		s.log.Info("host "+text, "host", h.Name, "id", h.ID, "by", actor.Email)
	}
	return s.Host(ctx, actor, h.ID)
}

// words are what a change does to where instances may be, for the operator.
func (c HostChange) words() (list []string) {
	for _, w := range []struct {
		set     *bool
		on, off string
	}{{c.Cordon, "is cordoned", "is not cordoned any more"}, {c.Drain, "is drained", "is not drained any more"}} {
		switch {
		case w.set == nil:
		case *w.set:
			list = append(list, w.on)
		default:
			list = append(list, w.off)
		}
	}
	return list
}

const longestDrain = 7 * 24 * time.Hour

func (c HostChange) check() error {
	drains := c.Drain != nil && *c.Drain
	switch {
	case len(c.Labels) == 0 && len(c.Unset) == 0 && c.Cordon == nil && c.Drain == nil && c.KeptCPU == nil && c.KeptMemory == nil:
		return Errorf(ErrInvalid, "There is nothing to change: give labels, cordon, drain or what is kept. Nothing was changed.")
	case drains && c.Cordon != nil && !*c.Cordon:
		return Errorf(ErrInvalid, "A host that is drained takes nothing new: it cannot be uncordoned at the same time. Nothing was changed.")
	case c.Deadline != 0 && !drains:
		return Errorf(ErrInvalid, "Only a drain has a deadline. Nothing was changed.")
	case c.Deadline < 0 || c.Deadline > longestDrain:
		return Errorf(ErrInvalid, "The deadline of a drain is at most %d hours. Nothing was changed.", longestDrain/time.Hour)
	case c.KeptCPU != nil && *c.KeptCPU < 0, c.KeptMemory != nil && *c.KeptMemory < 0:
		return Errorf(ErrInvalid, "What is kept of a host cannot be less than nothing. Nothing was changed.")
	}
	for _, k := range c.Unset {
		if err := checkLabel(k, ""); err != nil {
			return err
		}
	}
	return checkLabels(c.Labels)
}

// RemoveHost forgets a host, and gives it as it was. One that still has dynos
// is refused without force; with it they start elsewhere at once, and whatever
// of them the machine still runs is its own. The control plane's own machine
// cannot be removed.
func (s *Service) RemoveHost(ctx context.Context, actor Actor, name string, force bool) (HostRow, error) {
	if err := allowAdmin(actor, "remove hosts"); err != nil {
		return HostRow{}, err
	}
	h, err := s.Host(ctx, actor, name)
	if err != nil {
		return HostRow{}, err
	}
	if h.State == HostInvited {
		return h, s.store.UninviteHost(ctx, h.Name, actor.Email)
	}
	if err := s.store.RemoveHost(ctx, h.ID, actor.Email, force); err != nil {
		return HostRow{}, err
	}
	s.log.Info("host is removed", "host", h.Name, "id", h.ID, "by", actor.Email, "forced", force)
	return h, nil
}

// withInvited adds the machines that may join and have not, by name.
func withInvited(rows []HostRow, invited []HostToken) []HostRow {
	for _, t := range invited {
		rows = append(rows, HostRow{Name: t.Host, State: HostInvited, Labels: t.Labels, InvitedUntil: t.Until})
	}
	slices.SortStableFunc(rows, func(a, b HostRow) int { return strings.Compare(a.Name, b.Name) })
	return rows
}

// noteHosts says of each host what its state does not.
func noteHosts(rows []HostRow, now time.Time) {
	census := censusOf(rows, now)
	for i := range rows {
		rows[i].Note = rows[i].note(census, now)
	}
}

// noteUnreached says of the control plane's own machine that other machines do not
// reach what runs there, once there are some.
func noteUnreached(rows []HostRow) {
	joined := slices.ContainsFunc(rows, func(h HostRow) bool { return !h.Local && h.State != HostInvited })
	for i := range rows {
		if h := &rows[i]; joined && h.Local && h.Note == "" && (h.State == HostReady || len(h.Dynos)+h.Others > 0) {
			h.Note = "its dynos are reached from this machine only, not by apps on other hosts that are linked with theirs nor by routers elsewhere. To change that: paas standalone --addr ADDRESS, then paas ps:restart for what runs there"
		}
	}
}

// censusOf counts hosts as the guard against a false alarm does.
func censusOf(rows []HostRow, now time.Time) Pulse {
	census := Pulse{}
	for _, h := range rows {
		if h.SeenAt.IsZero() || h.State == HostLost && now.Sub(h.LostAt) > LossMemory {
			continue
		}
		census.Hosts++
		if h.Local {
			continue
		}
		census.Remote++
		if h.Silent(now) || h.State == HostLost {
			census.Silent++
		}
	}
	return census
}

// diskNote says that a host is not taken as others are for want of disk.
func (h HostRow) diskNote() string {
	const gb = 1 << 30
	consequence := ""
	switch (&scheduler.Host{DiskFree: h.DiskFree, DiskTotal: h.DiskTotal}).DiskLevel() {
	case scheduler.DiskEnough:
		return ""
	case scheduler.DiskLow:
		consequence = "others are taken first"
	case scheduler.DiskFull:
		consequence = "too little for more dynos than there were"
	}
	return fmt.Sprintf("its disk is nearly full: %.1f GB of %.1f GB are free, %s", float64(h.DiskFree)/gb, float64(h.DiskTotal)/gb, consequence)
}

// stayNote says which dynos keep a drain from its end.
func (h HostRow) stayNote() string {
	if h.State != HostDraining {
		return ""
	}
	var stay []HostDyno
	for _, d := range h.Dynos {
		if d.Volume != "" {
			stay = append(stay, d)
		}
	}
	switch n := len(stay); n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%s.%d of %s stays, for its data is here, on the volume %s", stay[0].Type, stay[0].Ordinal, stay[0].App, stay[0].Volume)
	default:
		return fmt.Sprintf("%d dynos stay, for their data is here, on volumes", n)
	}
}

func (h HostRow) note(census Pulse, now time.Time) string {
	switch {
	case h.State == HostInvited:
		return fmt.Sprintf("invited, until %s UTC: run there what paas hosts:add printed. To take that back: paas hosts:remove %s", h.InvitedUntil.UTC().Format(time.DateTime), h.Name)
	case h.DrillUntil.After(now):
		return fmt.Sprintf("not listened to: its loss is rehearsed until %s UTC. To end that now: paas drill %s --end", h.DrillUntil.UTC().Format(time.TimeOnly), h.Name)
	case h.SeenAt.IsZero():
		return "joined, but its agent has not been heard of yet: start it there with paas agent"
	case h.State == HostLost:
		return ""
	case h.Local || !h.Silent(now):
		return strings.Join(slices.DeleteFunc([]string{h.stayNote(), h.diskNote()}, func(s string) bool { return s == "" }), "; ")
	case census.doubtful():
		return fmt.Sprintf("not heard of, and not declared lost: %d of %d hosts are silent at once, so the control plane or its network is suspected. If they are gone for good: paas hosts:remove %s --force", census.Silent, census.Remote, h.Name)
	}
	return "not heard of"
}
