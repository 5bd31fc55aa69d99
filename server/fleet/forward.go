package fleet

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"paas/server"
)

const (
	// holdLimit is how long a request waits while nobody leads.
	holdLimit = 10 * time.Second
	holdPause = 100 * time.Millisecond
)

// Forward gives requests to the server that leads: what concerns hosts is in
// its memory only.
type Forward struct {
	peers *Peers
	list  *server.Servers
	epoch func() int64
	log   *slog.Logger
	gates map[string]*gate // by door
}

// NewForward makes it; epoch is not 0 while this server leads.
func NewForward(peers *Peers, list *server.Servers, epoch func() int64, log *slog.Logger) *Forward {
	f := &Forward{peers: peers, list: list, epoch: epoch, log: log, gates: map[string]*gate{}}
	for _, door := range []string{DoorAPI, DoorOperator, DoorDashboard} {
		f.gates[door] = newGate(func(ctx context.Context) net.Conn { return f.find(ctx, door) },
			"The server that leads has gone while it worked on this. It may have been done: look before you do it again.", log)
	}
	return f
}

// Handler serves with local while this server leads, else at the server that
// does, through a door of it.
func (f *Forward) Handler(door string, local http.Handler) http.Handler {
	gate := f.gates[door]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.epoch() != 0 {
			local.ServeHTTP(w, r)
			return
		}
		if !gate.enter() {
			answerAway(w, "Too many requests are on their way to the server that leads. Nothing was changed; try again in a moment.")
			return
		}
		defer gate.leave()
		leader, _ := f.list.Leader()
		switch {
		case gate.pass(w, r, leader.Addr):
		case f.epoch() != 0:
			local.ServeHTTP(w, r)
		default:
			answerAway(w, "No server leads at the moment. Nothing was changed; apps are served. Try again in a moment.")
		}
	})
}

// find opens a connection to who leads. It gives none when this server does,
// or nobody for too long.
func (f *Forward) find(ctx context.Context, door string) net.Conn {
	ctx, cancel := context.WithTimeout(ctx, holdLimit)
	defer cancel()
	for f.epoch() == 0 {
		if e, ok := f.list.Leader(); ok && e.ID != f.list.Self() {
			if !f.gates[door].pace(ctx) {
				return nil
			}
			c, err := f.peers.Dial(ctx, e.Addr, door)
			if err == nil {
				return c
			}
			f.log.Debug("the server that leads does not take a request", "server", e.Name, "err", err)
		}
		pause := time.NewTimer(holdPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil
		}
		_ = f.list.LookAgain(ctx, holdPause) // a database that is away is waited for, too
	}
	return nil
}

func answerAway(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "2")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(`{"id":"service_unavailable","message":"` + text + `"}` + "\n")) // nobody there when it fails
}
