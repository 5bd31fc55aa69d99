package web

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/server"
)

func TestVolumes(t *testing.T) {
	m := newManaged()
	b := newBrowser(t, m)
	b.page("/apps/shop/volumes", "files that dynos of shop write are gone", "paas volumes:create uploads --size 10G -a shop")
	m.volumes = []server.Volume{
		{ID: "1", Name: "uploads", HostID: "h", Host: "host-2", Size: 10 << 30, Used: 3 << 20, UsedAt: time.Now(), Mount: &server.Mount{Type: "web", Path: "/app/data"}},
		{ID: "2", Name: "lake", Driver: "lakes"}, {ID: "3", Name: "old", Host: "host-9"},
		{ID: "4", Name: "queue", HostID: "h", Host: "host-2", Mount: &server.Mount{Type: "worker", Path: "/q"}}}
	m.around = server.Overview{Row: server.AppRow{App: server.App{Name: "shop"}}, Release: &server.Release{ID: "r"},
		Formation: []server.Formation{{Type: "release"}, {Type: "web"}, {Type: "worker"}},
		Dynos: []server.Instance{{Type: "web", Ordinal: 1, State: "up", ReleaseID: "r", Wrote: []agent.Written{{Path: "/srv/files", Bytes: 12 << 20}}},
			{Type: "worker", Ordinal: 1, State: "pending", Reason: "its volume is on host-2"}}}
	body := b.page("/apps/shop/volumes", "paas volumes:detach uploads -a shop", "paas volumes:destroy lake -a shop", "web has written 12.0M to /srv/files", "paas volumes:create files -a shop")
	for name, says := range map[string][]string{"uploads": {"host-2", "3.0 MB", "10 GB", "/app/data", "web.1", "<td>up<"}, "lake": {"driver lakes", "not attached"},
		"old": {"host-9 (removed)", "its data is given up"}, "queue": {"waits: its volume is on host-2"}} {
		row := body[strings.Index(body, `class="mono">`+name+`<`):]
		row = row[:strings.Index(row, "</tr>")]
		for _, want := range says {
			if !strings.Contains(row, want) {
				t.Errorf("%s lacks %q: %s", name, want, row)
			}
		}
	}
	b.posts("/apps/shop/volumes", "name", " cache ", "size", "2.5", "host", "host-1")
	if to := b.posts("/apps/shop/volumes/attach", "volume", "cache", "type", "web", "path", " /cache "); to != "/apps/shop/deploys/d-1" {
		t.Error(to)
	}
	b.posts("/apps/shop/volumes/detach", "volume", "uploads")
	b.posts("/apps/shop/volumes/destroy", "volume", "lake", "confirm", "lake")
	want := []string{`create volume cache of 2684354560 on "host-1" for id-shop`, "attach cache to web at /cache", "detach uploads", "destroy lake"}
	if !slices.Equal(m.did, want) {
		t.Errorf("%q", m.did)
	}
	m.refuse = errWrong
	b.refused("/apps/shop/volumes", `value="&#34;&gt;x"`, "name", `">x`)
	b.refused("/apps/shop/volumes/attach", `id="attaching-uploads" open`, "volume", "uploads", "path", "/proc")
	if w := b.post("/apps/shop/volumes/detach", "volume", "uploads"); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `id="detaching-uploads" open`) {
		t.Errorf("%d", w.Code)
	}
}

// A volume goes only when its own name was typed, and a size is a number.
func TestVolumeFormsRefuse(t *testing.T) {
	m := newManaged()
	m.volumes = []server.Volume{{ID: "2", Name: "lake", Driver: "lakes"}}
	b := newBrowser(t, m)
	for _, confirm := range []string{"", "Lake", "shop"} {
		w := b.post("/apps/shop/volumes/destroy", "volume", "lake", "confirm", confirm)
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "not the volume&#39;s name") {
			t.Errorf("%q: %d", confirm, w.Code)
		}
	}
	for _, size := range []string{"x", "-1", "0", "NaN", "Inf", "1e99"} {
		if w := b.post("/apps/shop/volumes", "name", "data", "size", size); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "must be a number of GB") {
			t.Errorf("%q: %d", size, w.Code)
		}
	}
	if len(m.did) > 0 {
		t.Error(m.did)
	}
}
