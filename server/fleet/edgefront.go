package fleet

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Front passes requests for the platform's own host on to the server that
// leads, streams and WebSockets too.
func (e *EdgeClient) Front() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.gate.enter() {
			answerAway(w, "Too many requests are on their way to the control plane. Nothing was changed; try again in a moment.")
			return
		}
		defer e.gate.leave()
		if !e.gate.pass(w, r, e.c.connections().to) {
			answerAway(w, "The control plane does not answer. Nothing was changed; apps are served. Try again in a moment.")
		}
	})
}

// frontLimit is how long a request for the dashboard waits for a control plane.
const frontLimit = 5 * time.Second

// door opens the dashboard's at a server that leads; nil when none does.
func (e *EdgeClient) door(ctx context.Context) net.Conn {
	ctx, cancel := context.WithTimeout(ctx, frontLimit)
	defer cancel()
	for ctx.Err() == nil {
		for _, to := range e.c.candidates(e.c.connections().to) {
			if !e.gate.pace(ctx) {
				return nil
			}
			c, err := openDoor(ctx, e.c.tls.Clone(), to, DoorDashboard)
			if err == nil {
				return c
			}
			e.log.Debug("a server does not open the dashboard's door", "server", to, "err", err)
		}
		rest(ctx, holdPause)
	}
	return nil
}
