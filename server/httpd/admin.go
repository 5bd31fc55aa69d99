package httpd

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-chi/chi/v5"

	"paas/server"
	"paas/server/api"
)

// AppAdmin changes what an app is: its name, owner, domains, maintenance, lock and settings.
type AppAdmin interface {
	AppDomains
	Linking
	ChangeApp(ctx context.Context, actor server.Actor, app string, c server.AppChange) (server.App, error)
	TransferApp(ctx context.Context, actor server.Actor, app, recipient string, keep bool) (server.App, error)
	AppSummary(ctx context.Context, actor server.Actor, app string) (server.AppSummary, error)
	AppErrors(ctx context.Context, actor server.Actor, app string, hours int) ([]server.AppError, error)
}

// AppDomains knows the host names of apps.
type AppDomains interface {
	Domains(ctx context.Context, actor server.Actor, app string) ([]server.Domain, error)
	Domain(ctx context.Context, actor server.Actor, app, domain string) (server.Domain, error)
	AddDomain(ctx context.Context, actor server.Actor, app, hostname string) (server.Domain, error)
	RemoveDomain(ctx context.Context, actor server.Actor, app, domain string) (server.Domain, error)
	ClearDomains(ctx context.Context, actor server.Actor, app string) ([]server.Domain, error)
}

// adminRoutes are the routes below /apps/{app}.
func (s *Server) adminRoutes(r chi.Router) {
	r.Patch("/", s.quick(s.changeApp))
	r.Post("/transfer", s.quick(s.transferApp))
	r.Get("/summary", s.quick(s.appSummary))
	r.Get("/settings", s.quick(s.appSettings))
	r.Patch("/settings", s.quick(s.changeSettings))
	r.Get("/errors", s.quick(s.appErrors))
	r.Get("/domains", s.quick(s.domains))
	r.Post("/domains", s.quick(s.addDomain))
	r.Delete("/domains", s.quick(s.clearDomains))
	r.Get("/domains/{domain}", s.quick(s.domain))
	r.Delete("/domains/{domain}", s.quick(s.removeDomain))
	s.linkRoutes(r)
}

func (s *Server) changeApp(w http.ResponseWriter, r *http.Request) error {
	var in api.ChangeApp
	if err := decode(w, r, &in); err != nil {
		return err
	}
	a, err := s.svc.ChangeApp(r.Context(), actor(r), param(r, "app"),
		server.AppChange{Name: in.Name, Maintenance: in.Maintenance, Locked: in.Locked})
	if err != nil {
		return err
	}
	return s.replyApp(w, r, http.StatusOK, a)
}

func (s *Server) transferApp(w http.ResponseWriter, r *http.Request) error {
	var in api.TransferApp
	if err := decode(w, r, &in); err != nil {
		return err
	}
	a, err := s.svc.TransferApp(r.Context(), actor(r), param(r, "app"), in.Recipient, in.KeepAccess)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, s.wireApp(a))
}

func (s *Server) appSummary(w http.ResponseWriter, r *http.Request) error {
	sum, err := s.svc.AppSummary(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	out := api.AppSummary{App: s.wireApp(sum.App), Formation: convert(sum.Formation, wireFormation), Domains: convert(sum.Domains, wireDomain),
		Collaborators: sum.Collaborators, Settings: sum.App.Settings.Map(), ProcessTypes: []string{}}
	out.App.RepoSize, out.App.SlugSize = &sum.Repo, &sum.Slug
	if sum.Release != nil {
		release := wireRelease(*sum.Release)
		out.Release, out.ProcessTypes = &release, slices.AppendSeq(out.ProcessTypes, maps.Keys(sum.Release.Processes))
		slices.Sort(out.ProcessTypes)
	}
	return reply(w, r, http.StatusOK, out)
}

func (s *Server) appSettings(w http.ResponseWriter, r *http.Request) error {
	a, err := s.svc.App(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, api.AppSettings(a.Settings.Map()))
}

func (s *Server) changeSettings(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.svc.App(r.Context(), actor(r), param(r, "app")); err != nil {
		return err // before what is wrong with the body
	}
	patch := api.AppSettings{}
	if err := decode(w, r, &patch); err != nil {
		return err
	}
	if patch == nil { // the body was null
		patch = api.AppSettings{}
	}
	a, err := s.svc.ChangeApp(r.Context(), actor(r), param(r, "app"), server.AppChange{Settings: patch})
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, api.AppSettings(a.Settings.Map()))
}

func (s *Server) appErrors(w http.ResponseWriter, r *http.Request) error {
	hours := 24
	if q := r.URL.Query().Get("hours"); q != "" {
		n, err := strconv.Atoi(q)
		if err != nil {
			return server.Errorf(server.ErrInvalid, "Parameter hours must be a whole number.")
		}
		hours = n
	}
	list, err := s.svc.AppErrors(r.Context(), actor(r), param(r, "app"), hours)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, convert(list, func(e server.AppError) api.AppError {
		return api.AppError{Code: e.Code, Text: e.Text, Count: e.Count, Last: stamp(e.Last), Dyno: optional(e.Dyno)}
	}))
}

func (s *Server) domains(w http.ResponseWriter, r *http.Request) error {
	list, err := s.svc.Domains(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(list, wireDomain),
		sortBy[api.Domain]{"hostname", func(d api.Domain) string { return d.Hostname }},
		sortBy[api.Domain]{"id", func(d api.Domain) string { return d.ID }})
}

func (s *Server) domain(w http.ResponseWriter, r *http.Request) error {
	d, err := s.svc.Domain(r.Context(), actor(r), param(r, "app"), param(r, "domain"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireDomain(d))
}

func (s *Server) addDomain(w http.ResponseWriter, r *http.Request) error {
	var in api.CreateDomain
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.SNIEndpoint != nil {
		return server.Errorf(server.ErrInvalid, "Field sni_endpoint must be null: there are no certificates yet. Nothing was changed.")
	}
	d, err := s.svc.AddDomain(r.Context(), actor(r), param(r, "app"), in.Hostname)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusCreated, wireDomain(d))
}

func (s *Server) removeDomain(w http.ResponseWriter, r *http.Request) error {
	d, err := s.svc.RemoveDomain(r.Context(), actor(r), param(r, "app"), param(r, "domain"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireDomain(d))
}

func (s *Server) clearDomains(w http.ResponseWriter, r *http.Request) error {
	gone, err := s.svc.ClearDomains(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, convert(gone, wireDomain))
}

func wireDomain(d server.Domain) api.Domain {
	out := api.Domain{ID: d.ID, App: api.Ref{ID: d.AppID, Name: d.App}, CNAME: optional(d.Target), Hostname: d.Hostname,
		Kind: api.DomainCustom, Status: "succeeded", CreatedAt: stamp(d.CreatedAt), UpdatedAt: stamp(d.CreatedAt)}
	if d.Own { // it has no row
		out.ID, out.Kind, out.Status = named("domain", d.AppID), api.DomainOwn, "none"
	}
	return out
}
