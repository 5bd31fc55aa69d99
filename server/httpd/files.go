package httpd

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"paas/server"
	"paas/server/api"
)

// ConfigFiles reads config files; they are changed by TypedConfigs.
type ConfigFiles interface {
	Files(ctx context.Context, actor server.Actor, app, release string) (map[string]server.ConfigFile, error)
	File(ctx context.Context, actor server.Actor, app, release, path string) (server.ConfigFile, error)
}

// fileRoutes are below an app. A file is named by ?path=, which may hold
// anything.
func (s *Server) fileRoutes(r chi.Router) {
	r.Get("/files", s.quick(s.files))
	r.Put("/files", s.patient(s.setFile))
	r.Delete("/files", s.patient(s.unsetFile))
}

// files lists them without their content; with ?path= it answers with one.
func (s *Server) files(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	app, release, path := param(r, "app"), query.Get("release"), query.Get("path")
	if path != "" {
		f, err := s.svc.File(r.Context(), actor(r), app, release, path)
		if err != nil {
			return err
		}
		return reply(w, r, http.StatusOK, wireFile(path, f, true))
	}
	files, err := s.svc.Files(r.Context(), actor(r), app, release)
	if err != nil {
		return err
	}
	out := []api.ConfigFile{}
	for _, path := range sortedKeys(files) {
		out = append(out, wireFile(path, files[path], false))
	}
	return reply(w, r, http.StatusOK, out)
}

func wireFile(path string, f server.ConfigFile, content bool) api.ConfigFile {
	out := api.ConfigFile{Path: path, Size: len(f.Content), Raw: f.Raw}
	if content {
		out.Content = f.Content
	}
	return out
}

// setFile answers once the release with the file is written, as setConfig does.
func (s *Server) setFile(w http.ResponseWriter, r *http.Request) error {
	var in api.SetFile
	if err := decode(w, r, &in); err != nil {
		return tooLargeForFile(err)
	}
	f := server.ConfigFile{Content: in.Content, Raw: in.Raw}
	return s.changeFile(w, r, in.Path, &f)
}

func tooLargeForFile(err error) error {
	if !server.IsID(err, server.ErrTooLarge) {
		return err
	}
	return server.Errorf(server.ErrTooLarge, "The change is larger than %d bytes; a config file may have %d. Nothing was changed.", maxBodyBytes, server.MaxFileBytes)
}

func (s *Server) unsetFile(w http.ResponseWriter, r *http.Request) error {
	return s.changeFile(w, r, r.URL.Query().Get("path"), nil)
}

func (s *Server) changeFile(w http.ResponseWriter, r *http.Request, path string, f *server.ConfigFile) error {
	d, err := s.svc.ChangeConfig(r.Context(), actor(r), param(r, "app"),
		server.ConfigRequest{Files: map[string]*server.ConfigFile{path: f}})
	if err != nil {
		return err
	}
	w.Header().Set(api.HeaderDeploy, d.ID)
	out := api.ConfigFile{Path: path}
	if f != nil {
		out = wireFile(path, *f, false)
	}
	return reply(w, r, http.StatusOK, out)
}
