package main

import (
	"paas/server"
	"paas/server/fleet"
)

// openRouters makes what hears of routers in other processes. The one in this
// process is among those that people see.
func (h *house) openRouters() {
	var local server.LocalRouter
	if h.router != nil {
		local = server.LocalRouter{ID: h.routerID(), Addr: h.router.Addr().String(), Version: buildVersion()}
	}
	h.fleet.routers = server.NewRouters(server.RoutersConfig{Local: local}, h.store, h.traffic, h.meter, h.logs, h.log)
}

func (h *house) routerID() string { return "router-" + h.data.cluster }

// edge is what routers elsewhere get at the address for other machines.
func (h *house) edge() fleet.Edge {
	return fleet.Edge{Routers: h.fleet.routers, Newest: h.traffic.Newest, Domain: h.s.domain, PlatformHost: h.s.dashboardHost()}
}
