package fleet_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
	"paas/server/fleet"
)

// BenchmarkSet is from a change of what a host is to run to its agent, with 40
// instances in the set.
func BenchmarkSet(b *testing.B) {
	var set []agent.Assignment
	for i := range 40 {
		a := someAssignment(fmt.Sprint(i))
		a.Env = map[string]string{"DATABASE_URL": strings.Repeat("x", 200), "PORT": "8080"}
		set = append(set, a)
	}
	plane := newSteady(set...)
	s := newScene(b, plane, fleet.Config{})
	c, _ := s.client(s.join("a"))
	sets := c.Watch(b.Context(), "")
	<-sets
	for n := 0; b.Loop(); n++ {
		set[0].Release = n + 1
		plane.put(append([]agent.Assignment(nil), set...)...)
		<-sets
	}
}

// BenchmarkReport is one status, stored.
func BenchmarkReport(b *testing.B) {
	s := newScene(b, newSteady(), fleet.Config{})
	c, _ := s.client(s.join("a"))
	for b.Loop() {
		if err := c.Report(b.Context(), "", []agent.Status{{ID: "1", State: agent.Starting}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLines is lines of 100 bytes, in the batches that agents send.
func BenchmarkLines(b *testing.B) {
	plane := agenttest.NewControl()
	s := newScene(b, plane, fleet.Config{})
	c, _ := s.client(s.join("a"))
	sets := c.Watch(b.Context(), "")
	plane.Set(someAssignment("1"))
	<-sets
	lines := make([]agent.Line, 1024)
	for i := range lines {
		lines[i] = agent.Line{Instance: "1", At: time.Now(), Text: strings.Repeat("x", 100)}
	}
	n := 0
	for b.Loop() {
		c.Log(lines)
		n += len(lines)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkPull is a layer through the loopback registry and the control plane.
func BenchmarkPull(b *testing.B) {
	const size = 64 << 20
	layer := make([]byte, size)
	reg := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(layer) // counted below
	}))
	b.Cleanup(reg.Close)
	plane := agenttest.NewControl()
	s := newScene(b, plane, fleet.Config{Registry: fleet.Registry{URL: reg.URL}})
	c, _ := s.client(s.join("a"))
	sets := c.Watch(b.Context(), "")
	plane.Set(someAssignment("1"))
	<-sets
	p, err := fleet.NewProxy(c, logTo(b))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		<-done
	})
	b.SetBytes(size)
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+p.Addr().String()+"/v2/app-1/blobs/sha256:"+strings.Repeat("0a", 32), nil)
		if err != nil {
			b.Fatal(err)
		}
		r.SetBasicAuth(fleet.ProxyUser, c.Identity().Password)
		a, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, a.Body)
		if err != nil || n != size {
			b.Fatal(n, err)
		}
		_ = a.Body.Close() // all was read
	}
}
