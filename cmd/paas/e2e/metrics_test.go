package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paas/server/api"
)

// TestMetrics: every request is counted, by class and release, shown by the
// CLI and to Prometheus at once, and still there after a restart.
func TestMetrics(t *testing.T) {
	p := newPlatform(filepath.Join(built.Dir, "metrics"))
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.destroy)
	r := p.newApp(t, "counted")
	r.push("one")
	ask := func(path string, n int, want int) {
		t.Helper()
		for range n {
			if code, _, err := p.get("counted", path); err != nil || code != want {
				t.Fatalf("%s: %d %v", path, code, err)
			}
		}
	}
	ask("/", 20, 200)
	ask("/status/500", 3, 500)
	ask("/status/404", 2, 404)
	r.push("two")
	ask("/", 5, 200)

	var m api.Metrics
	all := func(want int64) func() bool {
		return func() bool { // the last request is counted a moment after its answer
			m = api.Metrics{}
			out, err := p.paas("metrics", "-a", "counted", "--json")
			return err == nil && json.Unmarshal([]byte(out), &m) == nil && m.Total.Requests >= want
		}
	}
	if err := p.Until(60*time.Second, "counting", all(30)); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		c := m.Total
		if c.Requests != 30 || c.Errors != 3 || c.Status["2xx"] != 25 || c.Status["4xx"] != 2 || c.Releases["v2"] != 25 || c.Releases["v3"] != 5 {
			t.Errorf("%s: %+v", when, c)
		}
		if c.P50 <= 0 || c.P99 < c.P50 || len(m.Deploys) != 2 || m.Deploys[1].Version != 3 {
			t.Errorf("%s: quantiles %v %v, deploys %+v", when, c.P50, c.P99, m.Deploys)
		}
	}
	check("at once")
	contains(t, p.mustPaas(t, "metrics", "-a", "counted"), "Requests  Errors", "30        3", "v2       25", "v3       5")
	if out, err := p.paas("metrics", "-a", "counted", "--since", "40d"); err != nil {
		t.Errorf("what is older than 30 days is left out: %v %s", err, out)
	}

	by := p.socket()
	defer by.CloseIdleConnections()
	w := &walker{t: t, p: p}
	scrape := func() answered { return w.send(by, "http://paas", "", "GET", "/metrics", "") }
	text := scrape()
	if text.code != http.StatusOK {
		t.Fatalf("/metrics: %d %s", text.code, text.body)
	}
	contains(t, text.body, `paas_http_requests_total{app="counted",class="5xx"} 3`, `paas_http_requests_total{app="counted",class="2xx"} 25`,
		`paas_http_request_duration_seconds_count{app="counted"} 30`, `paas_http_request_duration_seconds_bucket{app="counted",le="+Inf"} 30`,
		`paas_instances{app="counted",state="up"} 1`, `paas_deploys{app="counted",state="live"} 2`, "go_goroutines ", "process_resident_memory_bytes ")
	if a := w.ask("", "GET", "/metrics", ""); a.code != http.StatusUnauthorized {
		t.Errorf("/metrics without a token: %d", a.code)
	}

	measured := func() bool {
		web := m.Usage["web"]
		for i := range web {
			if u := web[i]; u.Instances >= 1 && u.Memory > 100<<10 && u.MemoryLimit >= 512<<20 {
				return true
			}
		}
		return false
	}
	if err := p.Until(40*time.Second, "measuring", func() bool { return all(30)() && measured() }); err != nil {
		t.Fatalf("%v\nusage %+v", err, m.Usage)
	}
	contains(t, p.mustPaas(t, "metrics", "-a", "counted"), "web ", "512.0 MB")
	contains(t, scrape().body, `paas_memory_bytes{app="counted",type="web"}`, `paas_memory_limit_bytes{app="counted",type="web"} 5.36870912e+08`, `paas_cpu_seconds_total{app="counted",type="web"}`)

	p.terminate()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	if err := p.Until(60*time.Second, "remembering", all(30)); err != nil {
		t.Fatal(err)
	}
	check("after a restart")
	if !measured() {
		t.Errorf("usage after a restart: %+v", m.Usage)
	}
	if !strings.Contains(fmt.Sprint(p.mustPaas(t, "help")), "metrics") {
		t.Error("the help does not name metrics")
	}
}
