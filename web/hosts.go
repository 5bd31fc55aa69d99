package web

import (
	"context"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Hosts are the machines that dynos run on. Everybody may look; admins change.
type Hosts interface {
	Hosts(ctx context.Context, actor server.Actor) ([]server.HostRow, error)
	Host(ctx context.Context, actor server.Actor, name string) (server.HostRow, error)
	AddHost(ctx context.Context, actor server.Actor, name string, labels map[string]string) (server.HostInvitation, error)
	ChangeHost(ctx context.Context, actor server.Actor, name string, c server.HostChange) (server.HostRow, error)
	RemoveHost(ctx context.Context, actor server.Actor, name string, force bool) (server.HostRow, error)
}

func (s *Server) hostRoutes(r chi.Router) {
	r.Get("/hosts", s.page(s.hostsPage))
	r.Post("/hosts", s.page(s.addHost))
	r.Get("/hosts/{host}", s.page(s.hostPage))
	r.Post("/hosts/{host}/cordon", s.page(s.cordonHost))
	r.Post("/hosts/{host}/drain", s.page(s.drainHost))
	r.Post("/hosts/{host}/labels", s.page(s.labelHost))
	r.Post("/hosts/{host}/remove", s.page(s.removeHost))
}

// hostView is a host with what is on it by app.
type hostView struct {
	server.HostRow
	Word string // its state, or that it is silent
	Apps []hostApp
	// FreeCPU and FreeMemory are what of it dynos may reserve.
	FreeCPU, FreeMemory int64
}

type hostApp struct {
	Name  string
	Dynos []server.HostDyno
}

// hostsData is what the page of all hosts shows.
type hostsData struct {
	Hosts []hostView // of this page
	List  hostsView
	Notes []hostView // that have one, the first few
	Brief bool       // there are too many hosts to say of each what is on it
	Slip  slip
	Made  *server.HostInvitation // for this one answer

	Routers []server.RouterRow
	Servers []server.ServerEntry // told when there are several, to admins
}

const (
	hostsInFull = 25 // that the page tells the dynos of
	hostNotes   = 5  // that the page begins with
)

func (s *Server) hostsPage(v *visit) error { return s.showHosts(v, hostsData{}) }

func (s *Server) showHosts(v *visit, data hostsData) error {
	list, err := s.svc.Hosts(v.ctx(), v.actor())
	if err != nil {
		return err
	}
	if data.Routers, err = s.svc.Routers(v.ctx(), v.actor()); err != nil {
		return err
	}
	if v.actor().Admin {
		if data.Servers, err = s.svc.ServerList(v.ctx(), v.actor()); err != nil {
			return err
		}
	}
	all := make([]hostView, len(list))
	for i, h := range list {
		all[i] = viewHost(h)
		if h.Note != "" && len(data.Notes) < hostNotes {
			data.Notes = append(data.Notes, all[i])
		}
	}
	data.Hosts, data.List = listHosts(all, v.query("q"), v.query("from"))
	data.Brief = len(data.Hosts) > hostsInFull
	return v.showStatus(data.Slip.status(), "hosts", "", "Hosts", data)
}

// hostData is what the page of one host shows.
type hostData struct {
	hostView
	Line string // its labels, as a form and the CLI take them
	Slip slip
}

func (s *Server) hostPage(v *visit) error { return s.showHost(v, slip{}) }

func (s *Server) showHost(v *visit, bad slip) error {
	h, err := s.svc.Host(v.ctx(), v.actor(), v.hostName())
	if err != nil {
		return err
	}
	return v.showStatus(bad.status(), "host", "", plain(h.Name), hostData{hostView: viewHost(h), Line: plain(labelLine(h.Labels)), Slip: bad})
}

// hostName is the one in the path, as it is.
func (v *visit) hostName() string {
	raw := v.param("host")
	if v.r.URL.RawPath == "" {
		return raw
	}
	name, err := url.PathUnescape(raw)
	if err != nil {
		return raw // names nothing
	}
	return name
}

// hostPath is the path of a host's page, or of one of its forms.
func hostPath(name string, parts ...string) string {
	path := "/hosts/" + url.PathEscape(name)
	for _, p := range parts {
		path += "/" + p
	}
	return path
}

func viewHost(h server.HostRow) hostView {
	view := hostView{HostRow: h, Word: string(h.State), FreeCPU: max(0, h.MilliCPU-h.KeptCPU), FreeMemory: max(0, h.Memory-h.KeptMemory)}
	if h.State != server.HostLost && h.Silent(time.Now()) {
		view.Word = "silent"
	}
	for _, d := range h.Dynos {
		if n := len(view.Apps); n == 0 || view.Apps[n-1].Name != d.App {
			view.Apps = append(view.Apps, hostApp{Name: d.App})
		}
		a := &view.Apps[len(view.Apps)-1]
		a.Dynos = append(a.Dynos, d)
	}
	return view
}
