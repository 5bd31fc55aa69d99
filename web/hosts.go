package web

import (

	"github.com/go-chi/chi/v5"

	"paas/server"
)

func (s *Server) hostRoutes(r chi.Router) {
	r.Get("/hosts", s.page(s.hostsPage))
}

// hostView is a host with what is on it by app.
type hostView struct {
	server.HostRow
	State string
	Apps  []hostApp
}

type hostApp struct {
	Name  string
	Dynos []server.HostDyno
}

func (s *Server) hostsPage(v *visit) error {
	list, err := s.svc.Hosts(v.ctx(), v.actor())
	if err != nil {
		return err
	}
	var views []hostView
	for _, h := range list {
		views = append(views, viewHost(h))
	}
	return v.show("hosts", "", "Hosts", views)
}

func viewHost(h server.HostRow) hostView {
	view := hostView{HostRow: h, State: string(h.State)}
	for _, d := range h.Dynos {
		if n := len(view.Apps); n == 0 || view.Apps[n-1].Name != d.App {
			view.Apps = append(view.Apps, hostApp{Name: d.App})
		}
		a := &view.Apps[len(view.Apps)-1]
		a.Dynos = append(a.Dynos, d)
	}
	return view
}
