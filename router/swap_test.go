package router

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// strictApp refuses to be used once it was declared idle: a request that comes
// in afterwards is the failure this package exists to prevent.
type strictApp struct {
	*httptest.Server
	target  Target
	retired atomic.Bool
	late    *atomic.Int64
}

func newStrictApp(id string, late *atomic.Int64) *strictApp {
	a := &strictApp{late: late}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.retired.Load() {
			late.Add(1)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprintf(w, "%x", sha256.Sum256(body))
		if a.retired.Load() {
			late.Add(1)
		}
	}))
	a.target = Target{ID: id, Name: "web.1", Addr: a.Listener.Addr().String()}
	return a
}

// retire closes the app the hard way: whatever is still open breaks.
func (a *strictApp) retire() {
	a.retired.Store(true)
	a.CloseClientConnections()
	a.Close()
}

// load sends requests as fast as it can until stop, and counts the good and
// keeps the first bad.
func (g *rig) load(t *testing.T, workers int, stop <-chan struct{}) (wait func() (good int64, bad []string)) {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		good atomic.Int64
		bad  []string
	)
	client := newClient(t)
	payload := bytes.Repeat([]byte("paas"), 2000)
	for n := range workers {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				var body []byte
				method := http.MethodGet
				if (n+i)%3 == 0 {
					body, method = payload[:1+(n*31+i*17)%len(payload)], http.MethodPost
				}
				if err := g.one(client, method, body); err != nil {
					mu.Lock()
					bad = append(bad, err.Error())
					mu.Unlock()
					return
				}
				good.Add(1)
			}
		})
	}
	return func() (int64, []string) {
		wg.Wait()
		return good.Load(), bad
	}
}

func (g *rig) one(client *http.Client, method string, body []byte) error {
	req, err := http.NewRequest(method, "http://"+g.Addr().String()+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Host = "app.test"
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(body)); resp.StatusCode != 200 || string(got) != want {
		return fmt.Errorf("status %d, body %.200q, want %s", resp.StatusCode, got, want)
	}
	return nil
}

// Instances are replaced under load over and over, each killed the moment the
// router says that nothing uses it any more. No request may notice.
func TestNoRequestFailsWhileInstancesAreReplaced(t *testing.T) {
	const swaps, workers = 110, 220
	g := newRig(t, Config{SnapshotFile: t.TempDir() + "/table.json"})
	var late atomic.Int64
	apps := []*strictApp{newStrictApp("i-a", &late), newStrictApp("i-b", &late)}
	defer func() {
		for _, a := range apps {
			a.retire()
		}
	}()
	g.serve(t, 1, appRoute(apps[0].target, apps[1].target))
	stop := make(chan struct{})
	wait := g.load(t, workers, stop)
	for i := range swaps {
		version := int64(i + 2)
		old := apps[0]
		apps = append(apps[1:], newStrictApp(fmt.Sprintf("i-%d", i), &late))
		g.source.publish(Table{Version: version, Routes: []Route{appRoute(apps[0].target, apps[1].target)}})
		g.source.await(t, "the old instance idle", func(a Ack) bool { return a.Version == version && a.Busy[old.target.ID] == 0 })
		old.retire()
	}
	close(stop)
	good, bad := wait()
	if len(bad) > 0 || late.Load() > 0 {
		t.Fatalf("%d of %d requests failed, %d came late to an idle instance; first: %s", len(bad), good, late.Load(), strings.Join(bad[:min(3, len(bad))], "\n"))
	}
	if good < swaps {
		t.Fatalf("only %d requests in %d swaps: no load", good, swaps)
	}
	t.Logf("%d requests over %d swaps", good, swaps)
}

// The pure form of the same promise: acquire and swap race on counters alone,
// thousands of times a second.
func TestAcquireNeverYieldsAnInstanceReportedIdle(t *testing.T) {
	l := Limits{MaxInFlight: 1 << 20}
	l.setDefaults()
	f := newFleet(l)
	const swaps = 3000
	var idle [swaps + 1]atomic.Bool // by instance: an Ack said so
	table := func(n int) Table {
		return Table{Version: int64(n), Routes: []Route{appRoute(Target{ID: fmt.Sprint(n), Name: fmt.Sprint(n)})}}
	}
	f.apply(table(0))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var broken atomic.Int64
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				in, code := f.acquire("app.test", nil, false)
				if in == nil {
					t.Errorf("no instance: %q", code)
					return
				}
				var n int
				if _, err := fmt.Sscan(in.target.ID, &n); err != nil || idle[n].Load() {
					broken.Add(1)
				}
				f.release(in)
			}
		})
	}
	for n := 1; n <= swaps; n++ {
		f.apply(table(n))
		d := f.drain(time.Now())
		for back := max(0, n-20); back < n; back++ {
			if d.busy[fmt.Sprint(back)] == 0 {
				idle[back].Store(true)
			}
		}
	}
	close(stop)
	wg.Wait()
	if broken.Load() > 0 {
		t.Fatalf("%d requests got an instance that had been reported idle", broken.Load())
	}
}

func TestAckCountsWhatIsInFlightAndFollowsItDown(t *testing.T) {
	g := newRig(t, Config{})
	release := make(chan struct{})
	arrived := make(chan struct{}, 3)
	old, _ := newApp(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "done")
	})
	fresh, _ := newApp(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "new") })
	g.serve(t, 1, appRoute(old))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, body := g.get(t, "/"); body != "done" {
				t.Errorf("body %q of a request that was under way", body)
			}
		})
	}
	for range 3 {
		<-arrived
	}
	g.source.publish(Table{Version: 2, Routes: []Route{appRoute(fresh)}})
	g.source.await(t, "three busy", func(a Ack) bool { return a.Version == 2 && a.Busy[old.ID] == 3 })
	if _, body := g.get(t, "/"); body != "new" {
		t.Errorf("after the swap the old instance answered: %q", body)
	}
	for left := 2; left >= 0; left-- {
		release <- struct{}{}
		g.source.await(t, fmt.Sprint(left, " busy"), func(a Ack) bool { return a.Version == 2 && a.Busy[old.ID] == left })
	}
	wg.Wait()
	// It comes back while nothing is in flight, and leaves again.
	g.serve(t, 3, appRoute(old))
	g.serve(t, 4, appRoute(fresh))
	g.source.await(t, "nothing busy", func(a Ack) bool { return a.Version == 4 && len(a.Busy) == 0 })
}

func TestInstanceThatReturnsKeepsItsCount(t *testing.T) {
	l := Limits{}
	l.setDefaults()
	f := newFleet(l)
	a, b := Target{ID: "a", Addr: "1:1"}, Target{ID: "b", Addr: "2:2"}
	f.apply(Table{Version: 1, Routes: []Route{appRoute(a)}})
	in, _ := f.acquire("app.test", nil, false)
	f.apply(Table{Version: 2, Routes: []Route{appRoute(b)}})
	if d := f.drain(time.Now()); d.busy["a"] != 1 {
		t.Fatalf("busy %v, want a:1", d.busy)
	}
	f.apply(Table{Version: 3, Routes: []Route{appRoute(a)}})
	if d := f.drain(time.Now()); len(d.busy) != 0 || in.gone.Load() {
		t.Fatalf("an instance of the table counts as leaving: %v, gone %v", d.busy, in.gone.Load())
	}
	f.apply(Table{Version: 4, Routes: []Route{appRoute(b)}})
	if d := f.drain(time.Now()); d.busy["a"] != 1 {
		t.Fatalf("its count was lost on the way: %v", d.busy)
	}
	f.release(in)
	if d := f.drain(time.Now()); len(d.busy) != 0 {
		t.Fatalf("busy %v after the release", d.busy)
	}
	// The same id at another address is another process.
	f.apply(Table{Version: 5, Routes: []Route{appRoute(Target{ID: "b", Addr: "3:3"})}})
	if got, _ := f.acquire("app.test", nil, false); got.target.Addr != "3:3" {
		t.Fatalf("request went to %s", got.target.Addr)
	}
}
