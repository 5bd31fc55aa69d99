package fleet

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// countedDoor is a server that may lead, and a front that gives it requests.
type countedDoor struct {
	epoch  atomic.Int64
	opened atomic.Int64 // connections to it
	front  *httptest.Server
	peers  *Peers
}

func newCountedDoor(t testing.TB, behind http.HandlerFunc) *countedDoor {
	t.Helper()
	d, auth := &countedDoor{}, newTestAuthority(t)
	d.epoch.Store(1)
	log := slog.New(slog.DiscardHandler)
	s, err := New(Config{Addr: "127.0.0.1:0", Epoch: d.epoch.Load, Registry: Registry{URL: "http://127.0.0.1:9"},
		Behind: func(string) http.Handler { return behind }}, auth, nil, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	d.peers = NewPeers("s2", auth)
	g := newGate(func(ctx context.Context) net.Conn {
		c, err := d.peers.Dial(ctx, s.Addr().String(), DoorAPI)
		if err != nil {
			return nil
		}
		d.opened.Add(1)
		return c
	}, "It broke.", log)
	d.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.pass(w, r, "s1") {
			answerAway(w, "Nobody.")
		}
	}))
	t.Cleanup(func() {
		d.front.Close()
		g.kept.CloseIdleConnections()
		cancel()
		<-ended
	})
	return d
}

func (d *countedDoor) ask(ctx context.Context, method, text string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, d.front.URL+"/x", strings.NewReader(text))
	if err != nil {
		return 0, "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

// Questions share connections; what may change something has one of its own. A
// server that leads no more does nothing by a connection that was kept.
func TestGateKeepsConnections(t *testing.T) {
	var done atomic.Int64
	d := newCountedDoor(t, func(w http.ResponseWriter, r *http.Request) {
		done.Add(1)
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.Method, body)
	})
	for range 50 {
		if code, text, err := d.ask(t.Context(), http.MethodGet, ""); err != nil || code != http.StatusOK || text != "GET " {
			t.Fatal(code, text, err)
		}
	}
	few := d.opened.Load()
	if few > 25 { // one; more on a machine that takes seconds for a request
		t.Errorf("50 questions opened %d connections", few)
	}
	for range 3 {
		if code, text, err := d.ask(t.Context(), http.MethodPost, "change"); err != nil || code != http.StatusOK || text != "POST change" {
			t.Fatal(code, text, err)
		}
	}
	if n := d.opened.Load() - few; n != 3 {
		t.Errorf("3 changes opened %d connections", n)
	}
	before := done.Load()
	d.epoch.Store(0)
	code, text, err := d.ask(t.Context(), http.MethodGet, "")
	if err != nil || code != http.StatusServiceUnavailable || !strings.Contains(text, "Nobody.") || done.Load() != before {
		t.Errorf("a server that leads no more answered %d %q %v", code, text, err)
	}
}

// BenchmarkForward is a request through a server that does not lead: one by a
// kept connection, and one by a connection of its own.
func BenchmarkForward(b *testing.B) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		b.Run(method, func(b *testing.B) {
			d := newCountedDoor(b, func(http.ResponseWriter, *http.Request) {})
			for b.Loop() {
				if code, _, err := d.ask(b.Context(), method, ""); err != nil || code != http.StatusOK {
					b.Fatal(code, err)
				}
			}
			b.ReportMetric(float64(d.opened.Load())/float64(b.N), "conns/op")
		})
	}
}
