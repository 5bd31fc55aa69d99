package fleet_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"paas/router"
	"paas/server"
	"paas/server/fleet"
)

// BenchmarkTable is from a change of one app's targets, of 2,000 apps with two
// host names and three targets each, to a router on the wire.
func BenchmarkTable(b *testing.B) {
	e := newEdgeScene(b, server.RoutersConfig{})
	routes := func(app, n int) (list []router.Route) {
		for _, host := range []string{"app", "www"} {
			r := router.Route{Host: fmt.Sprintf("%s-%d.example.com", host, app), AppID: fmt.Sprintf("00000000-0000-4000-8000-%012d", app), App: fmt.Sprintf("app-%d", app)}
			for i := range 3 {
				r.Targets = append(r.Targets, router.Target{ID: fmt.Sprintf("%08d-0000-4000-8000-%012d", n, app*3+i), Name: fmt.Sprintf("web.%d", i+1), Addr: fmt.Sprintf("10.1.%d.%d:20000", app/250, i+1), Release: n})
			}
			list = append(list, r)
		}
		return list
	}
	all := map[string][]router.Route{}
	for app := range 2000 {
		all[fmt.Sprint(app)] = routes(app, 1)
	}
	e.traffic.SetApps(all)
	e.traffic.Loaded()
	dir := filepath.Join(b.TempDir(), "edge")
	if _, err := fleet.JoinRouter(b.Context(), fleet.Joining{Dir: dir, Server: e.addr, Token: e.invite(b, "edge"), CA: e.auth.Fingerprint()}, "v1"); err != nil {
		b.Fatal(err)
	}
	c, err := fleet.NewEdgeClient(fleet.EdgeConfig{Dir: dir, Program: "v1", Addr: func() string { return "" }}, logTo(b))
	if err != nil {
		b.Fatal(err)
	}
	tables := c.Watch(b.Context(), "")
	first := <-tables
	if len(first.Routes) != 4000 {
		b.Fatal(len(first.Routes))
	}
	whole, err := json.Marshal(first)
	if err != nil {
		b.Fatal(err)
	}
	change, err := json.Marshal(routes(7, 2)) // what goes over the wire, but for the frame around it
	if err != nil {
		b.Fatal(err)
	}
	n := 1
	for b.Loop() {
		n++
		e.traffic.SetApp("7", routes(7, n))
		<-tables
	}
	b.ReportMetric(float64(len(whole)), "B/whole")
	b.ReportMetric(float64(len(change)), "B/change")
}
