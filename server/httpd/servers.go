package httpd

import (
	"context"
	"net/http"
	"time"

	"paas/server"
	"paas/server/api"
)

// Servers knows the control planes on the database. Admins look.
type Servers interface {
	ServerList(ctx context.Context, actor server.Actor) ([]server.ServerEntry, error)
}

func (s *Server) servers(w http.ResponseWriter, r *http.Request) error {
	list, err := s.svc.ServerList(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(list, wireServer),
		sortBy[api.Server]{"name", func(e api.Server) string { return e.Name }},
		sortBy[api.Server]{"id", func(e api.Server) string { return e.ID }})
}

func wireServer(e server.ServerEntry) api.Server {
	return api.Server{ID: e.ID, Name: e.Name, State: e.State(), Address: e.Addr, StartedAt: stamp(e.Started), SeenAt: stamp(e.SeenAt(time.Now()))}
}
