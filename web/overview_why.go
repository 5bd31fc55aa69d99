package web

import (
	"strings"

	"paas/server"
)

const (
	askedFor   = 3  // dynos that wait, whose hosts are asked
	hostsAsked = 20 // hosts shown of each
)

// askHosts adds to dynos that wait for a place what each host says to them.
// Many wait for the same reason, so the first few tell it.
func (s *Server) askHosts(v *visit, problems []problemView) error {
	asked := 0
	for i := range problems {
		p := &problems[i]
		if p.Kind != server.ProblemPlace {
			continue
		}
		p.Next = "paas why " + p.Dyno + " -a " + v.app().Name
		if asked++; asked > askedFor {
			continue
		}
		why, err := s.svc.Why(v.ctx(), v.actor(), v.app().ID, p.Dyno)
		switch {
		case server.IsID(err, server.ErrNotFound):
			continue // it is gone meanwhile
		case err != nil:
			return err
		}
		p.Hosts = why.Refusals[:min(len(why.Refusals), hostsAsked)]
		p.More = len(why.Refusals) - len(p.Hosts)
		if len(p.Hosts) > 0 {
			p.Why, _, _ = strings.Cut(p.Why, ": ") // what is behind it is in the table
		}
	}
	return nil
}
