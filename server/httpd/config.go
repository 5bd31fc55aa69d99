package httpd

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"paas/server"
	"paas/server/api"
)

// TypedConfigs reads and changes config beyond what Heroku's clients know.
type TypedConfigs interface {
	TypeConfig(ctx context.Context, actor server.Actor, app, release, typ string) (map[string]string, error)
	ChangeConfig(ctx context.Context, actor server.Actor, app string, r server.ConfigRequest) (server.Deploy, error)
	History(ctx context.Context, actor server.Actor, app, name string, releases int) ([]server.ConfigChange, error)
}

// StagedConfigs keeps changes for the next release.
type StagedConfigs interface {
	Staged(ctx context.Context, actor server.Actor, app string) (server.StagedConfig, error)
	StageConfig(ctx context.Context, actor server.Actor, app string, r server.ConfigRequest) (server.StagedConfig, error)
	Unstage(ctx context.Context, actor server.Actor, app string, names []string) (server.StagedConfig, error)
	ApplyStaged(ctx context.Context, actor server.Actor, app string) (server.Deploy, error)
}

// MasterKeys knows the key that everything sealed depends on.
type MasterKeys interface {
	MasterKey(ctx context.Context, actor server.Actor) (string, error)
	RotateMasterKey(ctx context.Context, actor server.Actor) (keyID string, apps int, err error)
}

// configRoutes are below an app.
func (s *Server) configRoutes(r chi.Router) {
	r.Get("/config-vars", s.quick(s.config))
	r.Patch("/config-vars", s.patient(s.setConfig))
	r.Get("/config-vars/staged", s.quick(s.staged))
	r.Post("/config-vars/staged", s.patient(s.applyStaged))
	r.Delete("/config-vars/staged", s.quick(s.unstage))
	r.Get("/config-history", s.quick(s.configHistory))
	s.fileRoutes(r)
}

func (s *Server) config(w http.ResponseWriter, r *http.Request) error {
	return s.replyConfig(w, r, "")
}

func (s *Server) releaseConfig(w http.ResponseWriter, r *http.Request) error {
	return s.replyConfig(w, r, param(r, "release"))
}

// replyConfig answers with what is set for all processes, or for those of one
// type alone. Clients that know nothing of types see the former.
func (s *Server) replyConfig(w http.ResponseWriter, r *http.Request, release string) error {
	var vars map[string]string
	var err error
	if typ := r.URL.Query().Get("process_type"); typ != "" {
		vars, err = s.svc.TypeConfig(r.Context(), actor(r), param(r, "app"), release, typ)
	} else {
		vars, err = s.svc.Config(r.Context(), actor(r), param(r, "app"), release)
	}
	if err != nil {
		return err
	}
	out := make(api.ConfigVars, len(vars))
	for k, v := range vars {
		out[k] = &v
	}
	return reply(w, r, http.StatusOK, out)
}

// setConfig answers once the release with the change is written. Whether it
// comes to serve is for the deploy to say, whose id is in a header. With
// ?staged=true nothing is released: the change waits.
func (s *Server) setConfig(w http.ResponseWriter, r *http.Request) error {
	ctx, who, app, query := r.Context(), actor(r), param(r, "app"), r.URL.Query()
	var patch api.ConfigVars
	if err := decode(w, r, &patch); err != nil {
		return tooLargeForConfig(err)
	}
	in := server.ConfigRequest{Type: query.Get("process_type"), Vars: patch}
	if len(patch) == 0 {
		return s.nothingGiven(r)
	}
	if v := query.Get("expect"); v != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(v, "v"))
		if err != nil || n < 1 {
			return server.Errorf(server.ErrInvalid, "expect=%q is no version of a release. Nothing was changed.", v)
		}
		in.Expect = n
	}
	if query.Get("staged") == "true" {
		st, err := s.svc.StageConfig(ctx, who, app, in)
		if err != nil {
			return err
		}
		return reply(w, r, http.StatusOK, wireStaged(st))
	}
	var d server.Deploy
	var err error
	if in.Type == "" && in.Expect == 0 {
		d, err = s.svc.SetConfig(ctx, who, app, patch)
	} else {
		d, err = s.svc.ChangeConfig(ctx, who, app, in)
	}
	if err != nil {
		return err
	}
	w.Header().Set(api.HeaderDeploy, d.ID)
	return s.replyConfig(w, r, d.ReleaseID)
}

// nothingGiven refuses an empty change, to those who may see the app.
func (s *Server) nothingGiven(r *http.Request) error {
	if _, err := s.svc.App(r.Context(), actor(r), param(r, "app")); err != nil {
		return err
	}
	return server.Errorf(server.ErrInvalid, "No config var was given. Nothing was changed.")
}

// tooLargeForConfig names the limit that was meant to be kept.
func tooLargeForConfig(err error) error {
	if !server.IsID(err, server.ErrTooLarge) {
		return err
	}
	return &server.Error{ID: server.ErrTooLarge, Message: "The change is larger than " + strconv.Itoa(maxBodyBytes) + " bytes; all config vars of an app together may have " +
		strconv.Itoa(server.MaxConfigBytes) + ". Nothing was changed.", Next: "A value that large is a file: paas files:set PATH --raw < FILE"}
}

func (s *Server) staged(w http.ResponseWriter, r *http.Request) error {
	st, err := s.svc.Staged(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireStaged(st))
}

func (s *Server) applyStaged(w http.ResponseWriter, r *http.Request) error {
	d, err := s.svc.ApplyStaged(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	w.Header().Set(api.HeaderDeploy, d.ID)
	return reply(w, r, http.StatusCreated, s.wireDeploy(d))
}

func (s *Server) unstage(w http.ResponseWriter, r *http.Request) error {
	var in api.Unstage
	if err := decode(w, r, &in); err != nil {
		return err
	}
	st, err := s.svc.Unstage(r.Context(), actor(r), param(r, "app"), in.Names)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireStaged(st))
}

func wireStaged(st server.StagedConfig) api.StagedConfig {
	out := api.StagedConfig{Vars: map[string]*string{}, Files: map[string]string{}, Actor: st.Actor}
	maps.Copy(out.Vars, st.Patch.Vars)
	for path, f := range st.Patch.Files {
		out.Files[path] = "set"
		if f == nil {
			out.Files[path] = "removed"
		}
	}
	if !st.UpdatedAt.IsZero() {
		t := stamp(st.UpdatedAt)
		out.UpdatedAt = &t
	}
	return out
}

// configHistory lists newest first; ?key= chooses a var or a file.
func (s *Server) configHistory(w http.ResponseWriter, r *http.Request) error {
	n, _ := strconv.Atoi(r.URL.Query().Get("releases")) // what is no number is the default
	list, err := s.svc.History(r.Context(), actor(r), param(r, "app"), r.URL.Query().Get("key"), n)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, convert(list, func(c server.ConfigChange) api.ConfigChange {
		return api.ConfigChange{
			Release: api.ReleaseRef{ID: c.Release.ID, Version: c.Release.Version}, Status: string(c.Release.Status),
			Description: c.Release.Description, User: api.UserRef{ID: c.Release.UserID, Email: c.Release.User},
			CreatedAt: stamp(c.Release.CreatedAt), Changes: convert(c.Keys, wireKeyChange),
		}
	}))
}

func wireKeyChange(k server.KeyChange) api.KeyChange {
	return api.KeyChange{Name: k.Name, ProcessType: k.Type, File: k.File, Change: k.What}
}

func (s *Server) masterKey(w http.ResponseWriter, r *http.Request) error {
	id, err := s.svc.MasterKey(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, api.MasterKey{ID: id})
}

func (s *Server) rotateMasterKey(w http.ResponseWriter, r *http.Request) error {
	id, apps, err := s.svc.RotateMasterKey(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, api.MasterKey{ID: id, Apps: apps})
}

// sortedKeys is maps.Keys in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
