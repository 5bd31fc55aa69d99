package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"paas/server"
	"paas/web"
)

// frontDoor is the dashboard as the router knows it from the start: before the
// dashboard is there it asks for patience.
type frontDoor struct{ web atomic.Pointer[web.Server] }

func (d *frontDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s := d.web.Load(); s != nil {
		s.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Retry-After", "2")
	http.Error(w, "The platform is starting; apps are served already. Try again in a moment.", http.StatusServiceUnavailable)
}

// dashboardHost is the host name of the dashboard.
func (s *settings) dashboardHost() string { return server.PlatformHost + "." + s.domain }

// dashboardURL is where people find the dashboard, without a slash at the end.
func (s *settings) dashboardURL() string {
	return strings.TrimSuffix(s.webURL(server.PlatformHost), "/")
}

// openDashboard comes last: its pages tell of all the other doors.
func (h *house) openDashboard(context.Context) error {
	cfg := web.Config{URL: h.s.dashboardURL(), WebURL: h.s.webURL,
		GitURL: func(app string) string { return h.s.gitURL(h.ssh.Addr(), app) },
		APIURL: func() string { return h.s.clientURL(h.api.Addr()) },
		SSHAddr: func() (host, port string) {
			_, port, _ = net.SplitHostPort(h.ssh.Addr().String())
			return h.s.domain, port
		},
		HostKey: h.ssh.HostKeyFingerprint, Domain: h.s.domain, Version: versionInfo().Version, Sizes: h.s.sizes}
	if err := h.signInWays(&cfg); err != nil {
		return err
	}
	s, err := web.New(cfg, h.service, h.log)
	if err != nil {
		return err
	}
	h.services.run("dashboard", s.Run)
	h.front.web.Store(s)
	if h.s.dashboard != "" {
		return h.openDashboardDoor(h.s.dashboard)
	}
	return nil
}
