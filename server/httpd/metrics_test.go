package httpd

import (
	"bytes"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"paas/server/api"
	"paas/server/httpd/httpdtest"
)

func TestMetricsOfAnApp(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	m := decodeAs[api.Metrics](t, r.want(r.do("GET", "/apps/shop/metrics?since=2h&points=10", ""), 200))
	p := m.Traffic[0]
	if m.App.Name != "shop" || m.Step != 60 || p.Requests != 7 || p.Status["5xx"] != 2 || p.Status["aborted"] != 1 || p.Releases["v3"] != 5 || p.Releases["none"] != 2 || p.P99 != 2.5 {
		t.Errorf("%+v", m)
	}
	if u := m.Usage["web"]; len(u) != 1 || u[0].MilliCPU != 150 || len(m.Deploys) != 1 || m.Deploys[0].Version != 3 {
		t.Errorf("%+v", m)
	}
	for query, want := range map[string]string{
		"since=yesterday": "Field since", "until=5": "Field until", "points=many": "Parameter points", "points=0": "Parameter points",
	} {
		if a := r.want(r.do("GET", "/apps/shop/metrics?"+query, ""), 422); !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %s", query, a.body)
		}
	}
	r.want(r.do("GET", "/apps/nowhere/metrics?since=yesterday", ""), 404)
}

// What Prometheus reads follows its rules, whatever a name holds, and is the
// admins' alone.
func TestPrometheus(t *testing.T) {
	r := start(t)
	r.want(r.do("GET", "/metrics", ""), 403)
	a := r.want(r.as(httpdtest.AdminToken, "GET", "/metrics", ""), 200)
	text := string(a.body)
	for _, want := range []string{
		`paas_http_requests_total{app="shop",class="2xx"} 4`, `paas_http_requests_total{app="shop",class="aborted"} 0`, `paas_http_requests_total{app="quiet",class="5xx"} 0`,
		`paas_http_request_duration_seconds_bucket{app="shop",le="0.004096"} 1`, `paas_http_request_duration_seconds_bucket{app="shop",le="2.097152"} 2`,
		`paas_http_request_duration_seconds_sum{app="shop"} 2.003`, `paas_http_request_duration_seconds_count{app="quiet"} 0`,
		`paas_instances{app="shop",state="up"} 2`, `paas_cpu_seconds_total{app="shop",type="we\"b\\\n"} 1.5`, "go_goroutines ",
	} {
		if !strings.Contains(text, want+"\n") && !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	problems, err := promlint.New(bytes.NewReader(a.body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "paas_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}
