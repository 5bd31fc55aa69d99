package httpd

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"paas/scheduler/agent"
	"paas/server"
	"paas/server/terminal"
)

const maxExecEnv = 100 // variables of one exec

func (s *Server) attach(w http.ResponseWriter, r *http.Request) error {
	return s.terminal(w, r, param(r, "app"), param(r, "dyno"), server.OpenRequest{Kind: agent.Attach})
}

func (s *Server) exec(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	env, err := envOf(q["env"])
	if err != nil {
		return errors.Join(s.mayKnow(r, param(r, "app")), err)
	}
	return s.terminal(w, r, param(r, "app"), param(r, "dyno"),
		server.OpenRequest{Kind: agent.Exec, Command: q.Get("command"), TTY: q.Get("tty") == "true", Env: env})
}

func envOf(pairs []string) (map[string]string, error) {
	if len(pairs) > maxExecEnv {
		return nil, server.Errorf(server.ErrInvalid, "More than %d variables. Nothing was started.", maxExecEnv)
	}
	env := map[string]string{}
	for _, kv := range pairs {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, server.Errorf(server.ErrInvalid, "Parameter env must be KEY=VALUE. Nothing was started.")
		}
		env[k] = v
	}
	return env, nil
}

func (s *Server) forward(w http.ResponseWriter, r *http.Request) error {
	port, _ := strconv.Atoi(r.URL.Query().Get("port")) // 0 is refused like any other that is none
	return s.terminal(w, r, param(r, "app"), param(r, "dyno"), server.OpenRequest{Kind: agent.Forward, Port: port})
}

// terminal serves a session. What goes wrong before it is there is an answer
// like any other of the API.
func (s *Server) terminal(w http.ResponseWriter, r *http.Request, app, dyno string, o server.OpenRequest) error {
	if err := terminal.Check(r); err != nil {
		return errors.Join(s.mayKnow(r, app), err)
	}
	who := actor(r)
	return s.terminals.Serve(w, r, func(ctx context.Context, streams agent.IO) (agent.SessionEnd, error) {
		return s.svc.Open(ctx, who, app, dyno, o, streams)
	})
}

// sessionFailed logs what is not for people, who get the number to find it by.
func (s *Server) sessionFailed(r *http.Request, err error) string {
	s.log.Error("session failed", "request", requestID(r), "path", routeOf(r), "err", err)
	return "The platform failed (request " + requestID(r) + ")."
}

// mayKnow asks whether the actor may see an app at all: who may not is told so
// whatever else is wrong.
func (s *Server) mayKnow(r *http.Request, app string) error {
	_, err := s.svc.App(r.Context(), actor(r), app)
	return err
}
