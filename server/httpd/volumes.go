package httpd

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"paas/scheduler/agent"
	"paas/server"
	"paas/server/api"
)

// Volumes keeps an app's disks.
type Volumes interface {
	Volumes(ctx context.Context, actor server.Actor, app string) ([]server.Volume, error)
	Volume(ctx context.Context, actor server.Actor, app, name string) (server.Volume, error)
	CreateVolume(ctx context.Context, actor server.Actor, app string, n server.NewVolume) (server.Volume, error)
	AttachVolume(ctx context.Context, actor server.Actor, app, name, typ, path string) (server.Deploy, error)
	DetachVolume(ctx context.Context, actor server.Actor, app, name string) (server.Deploy, error)
	DestroyVolume(ctx context.Context, actor server.Actor, app, name string) (server.Volume, error)
}

// volumeRoutes are below /apps/{app}.
func (s *Server) volumeRoutes(r chi.Router) {
	r.Get("/volumes", s.quick(s.volumes))
	r.Post("/volumes", s.quick(s.createVolume))
	r.Get("/volumes/{volume}", s.quick(s.volume))
	r.Delete("/volumes/{volume}", s.quick(s.destroyVolume))
	r.Put("/volumes/{volume}/mount", s.patient(s.attachVolume))
	r.Delete("/volumes/{volume}/mount", s.patient(s.detachVolume))
}

func (s *Server) volumes(w http.ResponseWriter, r *http.Request) error {
	list, err := s.svc.Volumes(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(list, wireVolume),
		sortBy[api.Volume]{"name", func(v api.Volume) string { return v.Name }},
		sortBy[api.Volume]{"id", func(v api.Volume) string { return v.ID }})
}

func (s *Server) volume(w http.ResponseWriter, r *http.Request) error {
	v, err := s.svc.Volume(r.Context(), actor(r), param(r, "app"), param(r, "volume"))
	return replyVolume(w, r, http.StatusOK, v, err)
}

func (s *Server) createVolume(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.svc.App(r.Context(), actor(r), param(r, "app")); err != nil {
		return err // before what is wrong with the body
	}
	var in api.NewVolume
	if err := decode(w, r, &in); err != nil {
		return err
	}
	v, err := s.svc.CreateVolume(r.Context(), actor(r), param(r, "app"), server.NewVolume{Name: in.Name, Size: in.Size, Host: in.Host, Driver: in.Driver})
	return replyVolume(w, r, http.StatusCreated, v, err)
}

func (s *Server) destroyVolume(w http.ResponseWriter, r *http.Request) error {
	v, err := s.svc.DestroyVolume(r.Context(), actor(r), param(r, "app"), param(r, "volume"))
	return replyVolume(w, r, http.StatusOK, v, err)
}

func (s *Server) attachVolume(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.svc.App(r.Context(), actor(r), param(r, "app")); err != nil {
		return err
	}
	var in api.Mount
	if err := decode(w, r, &in); err != nil {
		return err
	}
	d, err := s.svc.AttachVolume(r.Context(), actor(r), param(r, "app"), param(r, "volume"), in.Type, in.Path)
	return s.replyMounted(w, r, d, err)
}

func (s *Server) detachVolume(w http.ResponseWriter, r *http.Request) error {
	d, err := s.svc.DetachVolume(r.Context(), actor(r), param(r, "app"), param(r, "volume"))
	return s.replyMounted(w, r, d, err)
}

// replyMounted names the deploy that brings the change.
func (s *Server) replyMounted(w http.ResponseWriter, r *http.Request, d server.Deploy, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set(api.HeaderDeploy, d.ID)
	v, err := s.svc.Volume(r.Context(), actor(r), param(r, "app"), param(r, "volume"))
	return replyVolume(w, r, http.StatusAccepted, v, err)
}

func replyVolume(w http.ResponseWriter, r *http.Request, status int, v server.Volume, err error) error {
	if err != nil {
		return err
	}
	return reply(w, r, status, wireVolume(v))
}

func wireVolume(v server.Volume) api.Volume {
	out := api.Volume{ID: v.ID, Name: v.Name, Driver: optional(v.Driver), Host: optional(v.Host), Gone: v.Driver == "" && v.HostID == "", Size: v.Size,
		UsedAt: moment(v.UsedAt), CreatedAt: stamp(v.CreatedAt), UpdatedAt: stamp(v.UpdatedAt)}
	if !v.UsedAt.IsZero() {
		out.Used = &v.Used
	}
	if v.Mount != nil {
		out.Mount = &api.Mount{Type: v.Mount.Type, Path: v.Mount.Path}
	}
	return out
}

func wireWritten(list []agent.Written) []api.Written {
	if len(list) == 0 {
		return nil
	}
	return convert(list, func(w agent.Written) api.Written { return api.Written{Path: w.Path, Bytes: w.Bytes, Mixed: w.Mixed} })
}
