package server

import (
	"context"
)

// Host finds a host by name or id, for everyone who is signed in.
func (s *Service) Host(ctx context.Context, actor Actor, name string) (HostRow, error) {
	rows, err := s.Hosts(ctx, actor)
	if err != nil {
		return HostRow{}, err
	}
	for _, h := range rows {
		if h.Name == name || h.ID == name {
			return h, nil
		}
	}
	return HostRow{}, &Error{ID: ErrNotFound, Message: "Couldn't find that host.", Next: "See which there are: paas hosts"}
}

// AddHost invites one machine. Admins only, as all that changes hosts.
func (s *Service) AddHost(_ context.Context, actor Actor, _ string, _ map[string]string) (HostInvitation, error) {
	if err := allowAdmin(actor, "add hosts"); err != nil {
		return HostInvitation{}, err
	}
	return HostInvitation{}, errNotYet
}

// ChangeHost labels, cordons, drains.
func (s *Service) ChangeHost(_ context.Context, actor Actor, _ string, _ HostChange) (HostRow, error) {
	if err := allowAdmin(actor, "change hosts"); err != nil {
		return HostRow{}, err
	}
	return HostRow{}, errNotYet
}

// RemoveHost forgets a host.
func (s *Service) RemoveHost(_ context.Context, actor Actor, _ string, _ bool) (HostRow, error) {
	if err := allowAdmin(actor, "remove hosts"); err != nil {
		return HostRow{}, err
	}
	return HostRow{}, errNotYet
}
