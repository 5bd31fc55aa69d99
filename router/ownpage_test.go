package router

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestPageURL(t *testing.T) {
	for address, want := range map[string]string{
		"https://pages.example.com/down.html":        "https://pages.example.com",
		"http://127.0.0.1:8080/x?a=1&b=\"'><":        "http://127.0.0.1:8080",
		"https://[2001:db8::1]:8443/":                "https://[2001:db8::1]:8443",
		"HTTPS://Pages.Example.com":                  "https://pages.example.com",
		"https://example.com/%22%3E":                 "https://example.com",
		"":                                           "",
		"ftp://example.com/":                         "",
		"javascript:alert(1)":                        "",
		"data:text/html,x":                           "",
		"//example.com/":                             "",
		"https:///path":                              "",
		"https://":                                   "",
		"https:example.com":                          "",
		"https://user:secret@example.com/":           "",
		"https://exa mple.com/":                      "",
		"https://example.com;script-src *":           "",
		"https://*.example.com/":                     "",
		"https://example.com:port/":                  "",
		"https://example.com:/":                      "",
		"https://example.com/\r\nX: y":               "",
		"https://e.com/" + strings.Repeat("a", 2048): "",
	} {
		src, origin, ok := PageURL(address)
		if origin != want || ok != (want != "") || !ok && src != "" {
			t.Errorf("%q: %q %q %v, want %q", address, src, origin, ok, want)
		}
	}
}

func FuzzPageURL(f *testing.F) {
	f.Add("https://pages.example.com/down.html")
	f.Add("http://[::1]:80/<\"'>")
	f.Add("https://a.b;script-src *")
	f.Fuzz(func(t *testing.T, address string) {
		src, origin, ok := PageURL(address)
		if !ok {
			return
		}
		if strings.ContainsAny(origin, " ;,'\"<>\r\n\t*") || strings.ContainsAny(src, " \r\n\t\"<>") {
			t.Fatalf("unsafe: %q of %q", src+" "+origin, address)
		}
		again, origin2, ok := PageURL(src)
		if !ok || origin2 != origin || again != src {
			t.Fatalf("not stable: %q then %q", src, again)
		}
		if p := newOwnPage(address); strings.Count(p.html(failureOf("H80")), "\"") != strings.Count(newOwnPage("https://x.example/").html(failureOf("H80")), "\"") {
			t.Fatalf("the page's attributes are broken by %q", address)
		}
	})
}

// asked sends a GET to a host and gives status, header and body.
func (g *rig) asked(t *testing.T, host, accept string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host, req.Close = host, true
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

func TestOwnPages(t *testing.T) {
	g := newRig(t, Config{})
	up, _ := newApp(t, echoHead)
	const down, broken = "https://pages.example.com/down.html?a=1&b=2", "http://pages.example.com/error.html"
	rt := appRoute(up)
	rt.Empty, rt.MaintenancePage, rt.ErrorPage = "H80", down, broken
	g.serve(t, 1, rt)
	status, head, body := g.asked(t, "app.test", "text/html,*/*")
	if status != 503 || !strings.Contains(body, `<iframe src="https://pages.example.com/down.html?a=1&amp;b=2"`) {
		t.Errorf("maintenance: %d %s", status, body)
	}
	policy := head.Get("Content-Security-Policy")
	if !strings.Contains(policy, "frame-src https://pages.example.com;") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
	g.lines.await(t, `at=error code=H80 desc="Maintenance mode"`, "status=503")
	if _, _, body := g.asked(t, "app.test", ""); !strings.Contains(body, "(H80)") {
		t.Errorf("for a program: %q", body)
	}

	// Errors have their own page; one that cannot be a page is not shown.
	gone := Target{ID: "gone", Name: "web.1", Addr: "127.0.0.1:1"}
	rt = appRoute(gone)
	rt.MaintenancePage, rt.ErrorPage = down, broken
	g.serve(t, 2, rt)
	if status, _, body := g.asked(t, "app.test", "text/html"); status != 503 || !strings.Contains(body, broken) {
		t.Errorf("error: %d %s", status, body)
	}
	rt = appRoute()
	rt.Empty, rt.ErrorPage = "H14", "javascript:alert(1)"
	g.serve(t, 3, rt)
	if _, head, body := g.asked(t, "app.test", "text/html"); !strings.Contains(body, "Code H14") || strings.Contains(head.Get("Content-Security-Policy"), "frame-src") {
		t.Errorf("a page that is none: %s", body)
	}
	rt.Empty, rt.MaintenancePage, rt.ErrorPage = "H80", "", broken
	g.serve(t, 4, rt)
	if _, _, body := g.asked(t, "app.test", "text/html"); !strings.Contains(body, "Code H80") {
		t.Errorf("maintenance without a page of its own: %s", body)
	}
}

func TestWildcardHosts(t *testing.T) {
	g := newRig(t, Config{})
	named := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }
	}
	route := func(host, name string) Route {
		target, _ := newApp(t, named(name))
		target.ID = name
		return Route{Host: host, AppID: name, App: name, Targets: []Target{target}}
	}
	g.serve(t, 1, route("*.example.com", "wild"), route("www.example.com", "exact"), route("*.b.example.com", "deep"))
	for host, want := range map[string]string{
		"www.example.com": "exact", "WWW.example.com.": "exact", "shop.example.com": "wild", "shop.example.com:80": "wild",
		"a.b.example.com": "deep", "b.example.com": "wild", "example.com": "", "x.y.example.com": "", "*.example.com": "", "com": "",
	} {
		status, _, body := g.asked(t, host, "")
		if want == "" && status < 400 || want != "" && body != want {
			t.Errorf("%s: %d %q, want %q", host, status, body, want)
		}
	}
	// A name that leaves the table is not served any more at once.
	g.serve(t, 2, route("www.example.com", "exact"))
	if status, _, _ := g.asked(t, "shop.example.com", ""); status != 404 {
		t.Errorf("after the wildcard left: %d", status)
	}
}
