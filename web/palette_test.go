package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

func (b *browser) palette(app string) []paletteItem {
	b.t.Helper()
	w := b.get("/palette.json?app=" + app)
	var list []paletteItem
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
		b.t.Fatalf("%d %v\n%s", w.Code, err, w.Body)
	}
	return list
}

func texts(list []paletteItem) string {
	var all []string
	for _, i := range list {
		all = append(all, i.Text)
	}
	return strings.Join(all, "|") + "|"
}

func TestPaletteReachesWhatThePersonMay(t *testing.T) {
	f := newFake("shop", "other")
	b := newBrowser(t, f)
	all := texts(b.palette("shop"))
	for _, want := range []string{"Logs|", "Roll back…|", "Scale…|", "Destroy…|", "Give the app away…|", "shop|other|", "Sign out|", "Hosts|", "Open shop|"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in %s", want, all)
		}
	}
	if strings.Contains(all, "Audit") {
		t.Error("audit is for admins")
	}
	f.account.Admin = true
	if !strings.Contains(texts(b.palette("")), "Audit|") {
		t.Error("an admin finds no audit")
	}
	f.account.Admin, f.account.ID, f.may = false, "vic", []server.Permission{server.PermView, server.PermManage}
	manager := texts(b.palette("shop"))
	if strings.Contains(manager, "Scale…") || strings.Contains(manager, "Give the app away…") || !strings.Contains(manager, "Rename…") {
		t.Error(manager)
	}
	f.apps[0].Locked = true
	if locked := texts(b.palette("shop")); strings.Contains(locked, "Destroy…") || !strings.Contains(locked, "Lock or unlock…") {
		t.Error(locked)
	}
	// Of an app that is not theirs it says nothing.
	if secret := texts(b.palette("secret")); strings.Contains(secret, "secret") || strings.Contains(secret, "Logs|") {
		t.Error(secret)
	}
}

func TestPaletteIsAskedForAgainOnlyWhenItChanged(t *testing.T) {
	f := newFake("shop")
	b := newBrowser(t, f)
	w := b.get("/palette.json?app=shop")
	tag := w.Header().Get("ETag")
	if cache := w.Header().Get("Cache-Control"); cache != "private, no-cache" || tag == "" || w.Header().Get("Vary") == "" {
		t.Fatalf("%v", w.Header())
	}
	again := func() int {
		r := httptest.NewRequest(http.MethodGet, "http://paas.example.com/palette.json?app=shop", nil)
		r.Header.Set("If-None-Match", tag)
		return b.do(r).Code
	}
	if code := again(); code != http.StatusNotModified {
		t.Fatal(code)
	}
	f.may = []server.Permission{server.PermView}
	if code := again(); code != http.StatusOK {
		t.Fatal(code)
	}
}

// Each action of the palette leads to a place that its page has.
func TestPaletteActionsLeadSomewhere(t *testing.T) {
	b := newBrowser(t, newFake("shop"))
	mux := b.web.handler.(chi.Routes)
	for _, item := range b.palette("shop") {
		path, _, _ := strings.Cut(item.URL, "#")
		method := http.MethodGet
		if item.Press {
			method = http.MethodPost
		}
		if strings.HasPrefix(path, "/") && !mux.Match(chi.NewRouteContext(), method, path) {
			t.Errorf("%s: there is no %s", item.Text, path)
		}
	}
	for _, a := range actions() {
		page, err := templateFiles.ReadFile("templates/pages/" + a.page + ".html")
		if err != nil {
			t.Error(err)
			continue
		}
		if a.anchor != "" && !strings.Contains(string(page), `id="`+a.anchor+`"`) {
			t.Errorf("%s: the page %s has no id %q", a.text, a.page, a.anchor)
		}
	}
}

// With very many apps what the palette asks for stays small.
func TestPaletteIsLight(t *testing.T) {
	var names []string
	for i := range 500 {
		names = append(names, fmt.Sprintf("team-%d-service-%d", i%7, i))
	}
	b := newBrowser(t, newFake(names...))
	r := httptest.NewRequest(http.MethodGet, "http://paas.example.com/palette.json?app=team-0-service-0", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := b.do(r)
	if n := w.Body.Len(); n > 12<<10 || w.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("%d bytes, %v", n, w.Header())
	}
	t.Logf("%d bytes over the wire for 500 apps", w.Body.Len())
}
