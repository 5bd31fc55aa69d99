package httpdtest

import (
	"context"

	"paas/server"
)

// Rebalance has one dyno to move, which then is under way once.
func (f *Fake) Rebalance(_ context.Context, actor server.Actor, o server.RebalanceOrder) (server.Rebalanced, error) {
	leave, err := f.asAdmin(actor)
	if err != nil {
		return server.Rebalanced{}, err
	}
	defer leave()
	out := server.Rebalanced{}
	switch {
	case o.App == "nope":
		return out, server.Errorf(server.ErrNotFound, "Couldn't find that app.")
	case f.moved == 0:
		out.Moves = []server.Moved{{App: "shop", Name: "web.2", From: "host-1", To: "host-2", Why: "2 web dynos are on host-1, 0 on host-2"}}
	case f.moved == 1:
		out.Underway = 1
	}
	if o.DryRun {
		return out, nil
	}
	f.moved++
	out.Begun = len(out.Moves)
	return out, nil
}
