package httpd

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
	"paas/server/api"
)

// Hosts knows the machines that dynos run on. Everyone who is signed in may
// look; admins add, change and remove.
type Hosts interface {
	Hosts(ctx context.Context, actor server.Actor) ([]server.HostRow, error)
	Host(ctx context.Context, actor server.Actor, name string) (server.HostRow, error)
	AddHost(ctx context.Context, actor server.Actor, name string, labels map[string]string) (server.HostInvitation, error)
	ChangeHost(ctx context.Context, actor server.Actor, name string, c server.HostChange) (server.HostRow, error)
	RemoveHost(ctx context.Context, actor server.Actor, name string, force bool) (server.HostRow, error)
}

func (s *Server) hostRoutes(r chi.Router) {
	r.Get("/hosts", s.quick(s.hosts))
	r.Post("/hosts", s.quick(s.addHost))
	r.Get("/hosts/{host}", s.quick(s.host))
	r.Patch("/hosts/{host}", s.quick(s.changeHost))
	r.Delete("/hosts/{host}", s.quick(s.removeHost))
	r.Post("/hosts/rebalance", s.quick(s.rebalance))
	s.drillRoutes(r)
}

func (s *Server) hosts(w http.ResponseWriter, r *http.Request) error {
	list, err := s.svc.Hosts(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return replyAll(w, r, convert(list, wireHost),
		sortBy[api.Host]{"name", func(h api.Host) string { return h.Name }},
		sortBy[api.Host]{"id", func(h api.Host) string { return h.ID }})
}

func (s *Server) host(w http.ResponseWriter, r *http.Request) error {
	h, err := s.svc.Host(r.Context(), actor(r), param(r, "host"))
	return replyHost(w, r, h, err)
}

// addHost answers with a secret: nothing on the way may keep it.
func (s *Server) addHost(w http.ResponseWriter, r *http.Request) error {
	var in api.AddHost
	if err := decode(w, r, &in); err != nil {
		return err
	}
	i, err := s.svc.AddHost(r.Context(), actor(r), in.Name, in.Labels)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return reply(w, r, http.StatusCreated, api.HostInvitation{
		Host: i.Host, Token: i.Token, Fleet: i.Fleet, CA: i.CA, ExpiresAt: stamp(i.ExpiresAt), Command: api.JoinCommand(i.Fleet, i.Token, i.CA), Replaces: i.Replaces,
	})
}

func (s *Server) changeHost(w http.ResponseWriter, r *http.Request) error {
	var in api.ChangeHost
	if err := decode(w, r, &in); err != nil {
		return err
	}
	const longest = 7 * 24 * 3600 // seconds
	if in.Deadline < 0 || in.Deadline > longest {
		return server.Errorf(server.ErrInvalid, "Field deadline must be from 0 to %d seconds. Nothing was changed.", longest)
	}
	c := server.HostChange{Cordon: in.Cordoned, Drain: in.Draining, Deadline: time.Duration(in.Deadline) * time.Second}
	for name, value := range in.Labels {
		if value == nil {
			c.Unset = append(c.Unset, name)
			continue
		}
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[name] = *value
	}
	slices.Sort(c.Unset)
	if in.Kept != nil {
		c.KeptCPU, c.KeptMemory = in.Kept.MilliCPU, in.Kept.Memory
	}
	h, err := s.svc.ChangeHost(r.Context(), actor(r), param(r, "host"), c)
	return replyHost(w, r, h, err)
}

func (s *Server) removeHost(w http.ResponseWriter, r *http.Request) error {
	force := false
	if q := r.URL.Query().Get("force"); q != "" {
		var err error
		if force, err = strconv.ParseBool(q); err != nil {
			return server.Errorf(server.ErrInvalid, "Parameter force must be true or false. Nothing was changed.")
		}
	}
	h, err := s.svc.RemoveHost(r.Context(), actor(r), param(r, "host"), force)
	return replyHost(w, r, h, err)
}

func replyHost(w http.ResponseWriter, r *http.Request, h server.HostRow, err error) error {
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusOK, wireHost(h))
}

func wireHost(h server.HostRow) api.Host {
	out := api.Host{
		ID: h.ID, Name: h.Name, State: string(h.State), Silent: h.Silent(time.Now()), Note: h.Note, Local: h.Local, Arch: h.Arch, Labels: h.Labels,
		Address: optional(h.Addr), Agent: h.Agent, Engine: h.Engine, Boot: h.Boot,
		Findings: convert(h.Findings, wireFinding),
		Capacity: api.HostPart{MilliCPU: h.MilliCPU, Memory: h.Memory}, Kept: api.HostPart{MilliCPU: h.KeptCPU, Memory: h.KeptMemory},
		Reserved: api.HostPart{MilliCPU: h.ReservedCPU, Memory: h.ReservedBytes},
		Dynos:    convert(h.Dynos, wireHostDyno), Others: h.Others,
		SeenAt: moment(h.SeenAt), LostAt: moment(h.LostAt),
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	if h.Used != nil {
		out.Used = &api.HostPart{MilliCPU: h.Used.MilliCPU, Memory: h.Used.Memory}
	}
	if h.DiskTotal > 0 {
		out.Disk = &api.HostDisk{Free: h.DiskFree, Total: h.DiskTotal}
	}
	// Of what is over the row may still tell.
	switch h.State {
	case api.HostSettling:
		out.SteadyAt = moment(h.SteadyAt)
	case api.HostDraining, api.HostDrained:
		out.DrainUntil = moment(h.DrainUntil)
	}
	return out
}

func wireHostDyno(d server.HostDyno) api.HostDyno {
	return api.HostDyno{App: d.App, Name: d.Type + "." + strconv.Itoa(d.Ordinal), State: dynoState(d.State), Size: d.Size, Memory: d.Memory, Release: d.Release, Volume: d.Volume}
}

// moment is a time that there may not be: null for the zero one.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = stamp(t)
	return &t
}

func wireFinding(x server.Finding) api.Finding { return api.Finding(x) }
