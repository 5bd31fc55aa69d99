package router

import (
	"bufio"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 30, 0, time.UTC)

func finished(app string, release, status int, at time.Time) Observation {
	return Observation{AppID: app, Release: release, Status: status, Service: 5 * time.Millisecond, Bytes: 7, At: at}
}

func TestTallyByMinuteAndRelease(t *testing.T) {
	y := NewTally()
	y.Observe(finished("a", 3, 200, noon))
	y.Observe(finished("a", 3, 503, noon))
	y.Observe(finished("a", 4, 204, noon))
	y.Observe(finished("a", 4, 0, noon.Add(time.Minute)))
	y.Observe(Observation{AppID: "b", Status: 101, Release: 1, Service: time.Hour, At: noon})
	y.Observe(Observation{AppID: "b", Status: 503, Service: -1, At: noon})
	got := map[string]Count{}
	for _, c := range y.Take(noon.Add(time.Minute)) {
		got[fmt.Sprintf("%s v%d %s", c.AppID, c.Release, c.At.Format("15:04"))] = *c
	}
	if c := got["a v3 12:00"]; c.Status != [6]int64{2: 1, 5: 1} || c.Bytes != 14 || c.Latency.Count() != 2 {
		t.Errorf("a v3: %v", c.Status)
	}
	if c := got["b v1 12:00"]; c.Status != [6]int64{1: 1} || c.Latency.Count() != 0 {
		t.Errorf("a tunnel: %v, %d durations", c.Status, c.Latency.Count())
	}
	if c := got["b v0 12:00"]; c.Status != [6]int64{5: 1} || c.Latency.Count() != 0 {
		t.Errorf("a request that no instance took: %v, %d durations", c.Status, c.Latency.Count())
	}
	if len(got) != 4 || len(y.Look("")) != 1 || len(y.Look("a")) != 1 || len(y.Look("c")) != 0 {
		t.Errorf("taken %d, left %d", len(got), len(y.Look("")))
	}
	if total := y.Totals()["a"]; total.Status != [6]int64{1, 0, 2, 0, 0, 1} {
		t.Errorf("total %v", total.Status)
	}
	y.Keep(map[string]bool{})
	if all := y.Totals(); len(all) != 1 { // b had nothing left
		t.Errorf("kept %d apps", len(all))
	}
}

// A minute that was taken has gone to the database: it must not be counted
// anew from nothing, not even when the clock is set back.
func TestTallyNeverReopensAMinute(t *testing.T) {
	y := NewTally()
	y.Observe(finished("a", 3, 200, noon))
	y.Take(noon.Add(time.Minute))
	y.Observe(finished("a", 3, 200, noon.Add(-time.Hour)))
	y.Observe(finished("new", 1, 200, noon))
	for _, c := range y.Look("") {
		if !c.At.Equal(noon.Truncate(time.Minute).Add(time.Minute)) {
			t.Errorf("%s is counted at %s", c.AppID, c.At)
		}
	}
}

func TestTallyIsBounded(t *testing.T) {
	y := NewTally()
	for r := range 100 {
		y.Observe(finished("a", r+1, 200, noon))
	}
	for i := range maxTallied + 10 {
		y.Observe(finished(fmt.Sprint("app", i), 1, 200, noon))
	}
	all := y.Look("a")
	n := int64(0)
	for _, c := range all {
		n += c.Status[2]
	}
	if len(all) > maxReleases+1 || n != 100 {
		t.Errorf("%d releases, %d requests", len(all), n)
	}
	if apps := len(y.Totals()); apps != maxTallied {
		t.Errorf("%d apps", apps)
	}
}

// Nothing is lost or counted twice while it is taken.
func TestTallyWhileTaken(t *testing.T) {
	y := NewTally()
	const each, workers = 5000, 4
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range each {
				y.Observe(finished(fmt.Sprint(i%3), w, 200, noon.Add(time.Duration(i)*20*time.Millisecond)))
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	n := int64(0)
	take := func(before time.Time) {
		for _, c := range y.Take(before) {
			n += c.Status[2]
		}
	}
	for at, running := noon, true; running; at = at.Add(time.Second) {
		select {
		case <-done:
			running = false
		default:
			take(at)
		}
	}
	take(noon.Add(1000 * time.Hour))
	if n != each*workers {
		t.Errorf("%d of %d", n, each*workers)
	}
}

// Observations carry what the log line does, and the release of the instance.
func TestObservations(t *testing.T) {
	got := make(chan Observation, 10)
	g := newRig(t, Config{Observe: func(o Observation) { got <- o }})
	target, _ := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/fail":
			w.WriteHeader(http.StatusInternalServerError)
		case "/slow":
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		_, _ = w.Write([]byte("ok"))
	})
	target.Release = 7
	next := func(what string, want Observation) {
		t.Helper()
		o := <-got
		if reached := o.Service > 0 && o.Service < time.Minute; reached != (o.Release != 0) || time.Since(o.At) > time.Minute {
			t.Errorf("%s: took %s, at %s", what, o.Service, o.At)
		}
		o.Service, o.At = 0, time.Time{}
		if want.AppID = "id-1"; o != want {
			t.Errorf("%s: %+v", what, o)
		}
	}
	g.serve(t, 1, appRoute(target))
	g.get(t, "/ok")
	next("an answer", Observation{Release: 7, Status: 200, Bytes: 2})
	g.get(t, "/fail")
	next("a failure", Observation{Release: 7, Status: 500, Bytes: 2})

	c := g.dial(t)
	write(t, c, "GET /slow HTTP/1.1\r\nHost: app.test\r\n\r\n")
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	next("a client that left", Observation{Release: 7, Status: 0, Code: "H27"})

	g.serve(t, 2, appRoute(deadTarget(t, "dead")))
	_, page := g.get(t, "/")
	next("a refused connection", Observation{Status: 503, Code: "H21", Bytes: int64(len(page))})
	g.serve(t, 3, appRoute())
	_, page = g.get(t, "/")
	next("no instance", Observation{Status: 503, Code: "H14", Bytes: int64(len(page))})
}

func BenchmarkObserve(b *testing.B) {
	apps := make([]string, 500)
	for i := range apps {
		apps[i] = fmt.Sprintf("0f0e0d0c-0b0a-4908-8706-%012d", i)
	}
	y := NewTally()
	b.Run("one app", func(b *testing.B) {
		o := finished(apps[0], 12, 200, noon)
		b.ReportAllocs()
		for b.Loop() {
			y.Observe(o)
		}
	})
	b.Run("500 apps, parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			o, i := finished("", 12, 200, noon), 0
			for pb.Next() {
				o.AppID, o.Service = apps[i%len(apps)], time.Duration(i%1000)*time.Millisecond
				y.Observe(o)
				i++
			}
		})
	})
}
