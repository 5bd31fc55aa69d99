package httpd

import (
	"testing"
	"time"

	"paas/server"
	"paas/server/api"
	"paas/server/httpd/httpdtest"
)

func TestRouters(t *testing.T) {
	r := start(t)
	admin := func(method, path, body string, code int) answer {
		t.Helper()
		return r.want(r.as(httpdtest.AdminToken, method, path, body), code)
	}
	a := admin("POST", "/routers", `{"name":"edge-1"}`, 201)
	i := decodeAs[api.RouterInvitation](t, a)
	if i.Command != "paas router join paas.example.com:8443 paasrouter_test --ca c0ffee" || i.ExpiresAt.IsZero() || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%+v %v", i, a.Header)
	}
	r.fake.SetRouter("edge-1", func(row *server.RouterRow) { row.State, row.Table, row.Note = server.RouterLost, 0, "not heard of" })
	list := decodeAs[[]api.Router](t, r.want(r.do("GET", "/routers", ""), 200))
	if len(list) != 2 || !list[0].Local || list[0].State != api.RouterReady || *list[0].Table != "0.12" || list[1].Table != nil || list[1].State != api.RouterLost {
		t.Errorf("%+v", list)
	}
	if one := decodeAs[api.Router](t, r.want(r.do("GET", "/routers/edge-1", ""), 200)); one.Name != "edge-1" || one.Note != "not heard of" {
		t.Errorf("%+v", one)
	}
	r.want(r.do("POST", "/routers", `{"name":"edge-2"}`), 403)
	r.want(r.do("DELETE", "/routers/edge-1", ""), 403)
	admin("POST", "/routers", `{"name":"edge-1"}`, 409)
	admin("POST", "/routers", `{"name":7}`, 422)
	admin("DELETE", "/routers/built-in", "", 409)
	admin("DELETE", "/routers/edge-1", "", 200)
	r.want(r.do("GET", "/routers/edge-1", ""), 404)
}

func TestServers(t *testing.T) {
	r := start(t)
	r.want(r.do("GET", "/servers", ""), 403)
	r.fake.SetServers(server.ServerEntry{ID: "1", Name: "s1", Addr: "s1:8443", Leads: true}, server.ServerEntry{ID: "2", Name: "s2"}, server.ServerEntry{ID: "3", Name: "s3", Silent: time.Minute})
	list := decodeAs[[]api.Server](t, r.want(r.as(httpdtest.AdminToken, "GET", "/servers", ""), 200))
	if len(list) != 3 || list[0].State != "leads" || list[0].Address != "s1:8443" || list[1].State != "follows" || list[2].State != "silent" || time.Since(list[2].SeenAt) < 50*time.Second {
		t.Errorf("%+v", list)
	}
}
