package httpd

import (
	"strings"
	"testing"
	"time"

	"paas/server"
	"paas/server/api"
	"paas/server/httpd/httpdtest"
)

func TestHosts(t *testing.T) {
	r := start(t)
	admin := func(method, path, body string, code int) answer {
		t.Helper()
		return r.want(r.as(httpdtest.AdminToken, method, path, body), code)
	}
	a := admin("POST", "/hosts", `{"name":"host-2","labels":{"zone":"a"}}`, 201)
	i := decodeAs[api.HostInvitation](t, a)
	if i.Command != "paas agent join paas.example.com:8443 paashost_test --ca c0ffee" || i.ExpiresAt.IsZero() || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%+v %v", i, a.Header)
	}
	list := decodeAs[[]api.Host](t, r.want(r.do("GET", "/hosts", ""), 200))
	if len(list) != 2 || list[0].Silent || list[0].Name != "host-1" || !list[0].Local || list[0].Used.MilliCPU != 700 || list[0].Dynos[0].Name != "web.1" || list[0].Others != 2 || list[0].Address != nil {
		t.Errorf("%+v", list)
	}
	h := list[1]
	if h.Labels["zone"] != "a" || *h.Address != "10.91.2.2" || h.LostAt != nil || h.SteadyAt != nil || h.DrainUntil != nil || h.Dynos == nil {
		t.Errorf("%+v", h)
	}
	h = decodeAs[api.Host](t, admin("PATCH", "/hosts/host-2", `{"labels":{"zone":null,"disk":"ssd"},"kept":{"milli_cpu":500,"memory":1024},"draining":true,"deadline":60}`, 200))
	if len(h.Labels) != 1 || h.Labels["disk"] != "ssd" || h.Kept != (api.HostPart{MilliCPU: 500, Memory: 1024}) || h.State != api.HostDraining || time.Until(*h.DrainUntil) > time.Minute {
		t.Errorf("%+v", h)
	}
	h = decodeAs[api.Host](t, admin("PATCH", "/hosts/host-2", `{"draining":false}`, 200))
	if h.State != api.HostReady || h.DrainUntil != nil {
		t.Errorf("%+v", h)
	}
	r.fake.SetHost("host-2", func(h *server.HostRow) {
		h.State, h.LostAt, h.SeenAt, h.Note, h.Dynos = server.HostLost, time.Now(), time.Now().Add(-time.Minute), "not heard of", []server.HostDyno{{App: "shop"}}
	})
	h = decodeAs[api.Host](t, r.want(r.do("GET", "/hosts/host-2", ""), 200))
	if h.State != api.HostLost || !h.Silent || h.LostAt == nil || h.Note != "not heard of" {
		t.Errorf("%+v", h)
	}
	admin("DELETE", "/hosts/host-2", "", 409)
	admin("DELETE", "/hosts/host-2?force=true", "", 200)
	r.want(r.do("GET", "/hosts/host-2", ""), 404)
}

func TestHostsRefuse(t *testing.T) {
	r := start(t)
	for _, c := range []struct{ method, path, body, want string }{
		{"PATCH", "/hosts/host-1", `{"deadline":-1}`, "Field deadline"},
		{"PATCH", "/hosts/host-1", `{"deadline":99999999}`, "Field deadline"},
		{"PATCH", "/hosts/host-1", `{"labels":{"a":1}}`, "Field labels"},
		{"PATCH", "/hosts/host-1", `{"kept":{"memory":"1G"}}`, "Field kept.memory"},
		{"POST", "/hosts", `{"name":7}`, "Field name"},
		{"DELETE", "/hosts/host-1?force=maybe", "", "Parameter force"},
		{"DELETE", "/hosts/host-1", "", "own machine"},
	} {
		if a := r.want(r.as(httpdtest.AdminToken, c.method, c.path, c.body), 422); !strings.Contains(string(a.body), c.want) {
			t.Errorf("%s %s %s: %s", c.method, c.path, c.body, a.body)
		}
	}
	for _, c := range [][2]string{{"POST", "/hosts"}, {"PATCH", "/hosts/host-1"}, {"DELETE", "/hosts/host-1"}} {
		r.want(r.do(c[0], c[1], ""), 403)
		r.want(r.as("", c[0], c[1], ""), 401)
	}
}

func TestPlacement(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	if a := r.want(r.do("GET", "/apps/shop/placement", ""), 200); string(a.body) != `{"constraints":[],"spread":"","unique":false}`+"\n" {
		t.Errorf("%s", a.body)
	}
	in := `{"constraints":[{"label":"zone","value":"a"},{"label":"disk","value":"slow","not":true}],"spread":"rack","unique":true}`
	r.want(r.do("PUT", "/apps/shop/placement", in), 200)
	p := decodeAs[api.Placement](t, r.want(r.do("GET", "/apps/shop/placement", ""), 200))
	if len(p.Constraints) != 2 || p.Constraints[0].String() != "zone=a" || p.Constraints[1].String() != "disk!=slow" || p.Spread != "rack" || !p.Unique {
		t.Errorf("%+v", p)
	}
	r.want(r.do("PUT", "/apps/shop/placement", `{"constraints":[{"value":"a"}]}`), 422)
	r.want(r.do("PUT", "/apps/shop/placement", `{"constraints":"zone=a"}`), 422)
	for _, c := range [][2]string{{"GET", "/apps/shop/placement"}, {"PUT", "/apps/shop/placement"}, {"GET", "/apps/shop/dynos/web.1/why"}} {
		r.want(r.as(httpdtest.OtherToken, c[0], c[1], `{"constraints":7}`), 404)
	}
}

func TestWhy(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	w := decodeAs[api.Why](t, r.want(r.do("GET", "/apps/shop/dynos/web.1/why", ""), 200))
	if w.Dyno.Name != "web.1" || w.Host == nil || *w.Host != "host-1" || len(w.Hosts) != 1 || w.Hosts[0].Why != "" {
		t.Errorf("%+v", w)
	}
	r.fake.Wait("shop", "web.1", "no host takes it")
	w = decodeAs[api.Why](t, r.want(r.do("GET", "/apps/shop/dynos/web.1/why", ""), 200))
	if w.Host != nil || w.Reason != "no host takes it" || !strings.Contains(w.Hosts[0].Why, "memory free") || w.Hosts[0].Name != "host-1" {
		t.Errorf("%+v", w)
	}
	r.want(r.do("GET", "/apps/shop/dynos/web.9/why", ""), 404)
}

func TestDrill(t *testing.T) {
	r := start(t)
	admin := func(method, path, body string, code int) answer {
		t.Helper()
		return r.want(r.as(httpdtest.AdminToken, method, path, body), code)
	}
	admin("POST", "/hosts", `{"name":"host-2"}`, 201)
	admin("GET", "/hosts/host-2/drill", "", 404)
	d := decodeAs[api.Drill](t, admin("POST", "/hosts/host-2/drill", `{"dry_run":true}`, 200))
	if d.ID != "" || d.Ended || d.Lost != nil || d.Apps == nil {
		t.Errorf("%+v", d)
	}
	d = decodeAs[api.Drill](t, admin("POST", "/hosts/host-2/drill", `{"seconds":60}`, 201))
	if d.ID == "" || *d.Elsewhere != 4 {
		t.Errorf("%+v", d)
	}
	admin("GET", "/hosts/host-2/drill", "", 200)
	admin("DELETE", "/hosts/host-2/drill", "", 200)
	admin("POST", "/hosts/host-1/drill", `{"seconds":60}`, 409)
	for _, body := range []string{`{"seconds":1}`, `{"seconds":-1}`, `{"seconds":9999}`, `{"seconds":"x"}`} {
		admin("POST", "/hosts/host-2/drill", body, 422)
	}
	for _, method := range []string{"POST", "GET", "DELETE"} {
		r.want(r.do(method, "/hosts/host-2/drill", `{}`), 403)
		r.want(r.as("", method, "/hosts/host-2/drill", `{}`), 401)
	}
}
