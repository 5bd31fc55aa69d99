package httpd

import (
	"context"
	"net/http"

	"paas/server"
	"paas/server/api"
)

// Rebalances moves dynos so that the load of hosts is even; for admins.
type Rebalances interface {
	Rebalance(ctx context.Context, actor server.Actor, o server.RebalanceOrder) (server.Rebalanced, error)
}

func (s *Server) rebalance(w http.ResponseWriter, r *http.Request) error {
	var in api.Rebalance
	if err := decode(w, r, &in); err != nil {
		return err
	}
	out, err := s.svc.Rebalance(r.Context(), actor(r), server.RebalanceOrder{App: in.App, DryRun: in.DryRun})
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, api.Rebalanced{Begun: out.Begun, Underway: out.Underway, Cut: out.Cut,
		Moves: convert(out.Moves, func(m server.Moved) api.Move {
			return api.Move{App: m.App, Dyno: m.Name, From: m.From, To: m.To, Why: m.Why}
		})})
}
