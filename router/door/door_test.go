package door

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"paas/router"
)

const patience = 20 * time.Second

// source is a control plane.
type source struct {
	links chan router.Links
	acks  chan router.Ack
}

func (s *source) WatchLinks(context.Context, string) <-chan router.Links { return s.links }

// AckLinks keeps the newest.
func (s *source) AckLinks(a router.Ack) {
	select {
	case <-s.acks:
	default:
	}
	s.acks <- a
}

// until waits for an acknowledgement that is as wanted.
func (s *source) until(t *testing.T, want string, ok func(router.Ack) bool) {
	t.Helper()
	var last router.Ack
	for end := time.After(patience); ; {
		select {
		case last = <-s.acks:
			if ok(last) {
				return
			}
		case <-end:
			t.Fatalf("no acknowledgement that %s; the last was %+v", want, last)
		}
	}
}

// scene is a host with the network of app "a" on loopback.
type scene struct {
	*source
	doors *Doors
	cfg   Config
	net   Network
	stop  func()
}

func newScene(t *testing.T, snapshot string) *scene {
	t.Helper()
	s := &scene{source: &source{links: make(chan router.Links), acks: make(chan router.Ack, 1)},
		net: Network{AppID: "a", Subnet: netip.MustParsePrefix("127.77.0.0/26")}}
	s.cfg = Config{Host: "h1", HTTPPort: freePort(t), NamePort: freePort(t), SnapshotFile: snapshot}
	doors, err := New(s.cfg, s.source, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.doors = doors
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = doors.Run(ctx) })
	s.stop = sync.OnceFunc(func() { cancel(); run.Wait() })
	t.Cleanup(s.stop)
	doors.Networks([]Network{s.net})
	for end := time.Now().Add(patience); len(doors.networks) > 0; time.Sleep(time.Millisecond) { // links before networks are served by no door
		if time.Now().After(end) {
			t.Fatal("nobody takes the networks")
		}
	}
	return s
}

// freePort is one that nobody has on the door's address.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", "127.77.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String()).Port()
}

// get asks the door for a host name, from an address.
func (s *scene) get(t *testing.T, from, host string) (status int, body string, err error) {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.77.0.1:%d/", s.cfg.HTTPPort), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), err
}

// resolve asks the door's name server.
func (s *scene) resolve(t *testing.T, name string, kind dnsmessage.Type) (dnsmessage.RCode, []netip.Addr) {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP("127.77.0.9")}}).DialContext(t.Context(), "udp4", fmt.Sprintf("127.77.0.1:%d", s.cfg.NamePort))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}}}
	b, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1500)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		_, _ = c.Write(b) // refused before the door is there
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := c.Read(buf)
		if err != nil {
			continue
		}
		var m dnsmessage.Message
		if err := m.Unpack(buf[:n]); err != nil || m.ID != 7 || len(m.Questions) != 1 {
			t.Fatalf("answer %+v, %v", m, err)
		}
		var list []netip.Addr
		for _, a := range m.Answers {
			if a, ok := a.Body.(*dnsmessage.AResource); ok {
				list = append(list, netip.AddrFrom4(a.A))
			}
		}
		return m.RCode, list
	}
	t.Fatalf("no answer about %s", name)
	return 0, nil
}

func leads(host string, targets ...string) router.Route {
	r := router.Route{Host: host, AppID: "b", App: "b"}
	for _, addr := range targets {
		r.Targets = append(r.Targets, router.Target{ID: addr, Name: "web.1", Addr: addr})
	}
	return r
}

func (s *scene) tell(version int64, routes ...router.Route) {
	s.links <- router.Links{Version: version, Apps: []router.AppLinks{{AppID: "a", Routes: routes}, {AppID: "elsewhere", Routes: routes}}}
}

func served(version int64) func(router.Ack) bool {
	return func(a router.Ack) bool { return a.Router == "h1" && a.Version == version && len(a.Busy) == 0 }
}

func TestDoorLeadsToLinkedAppsOnly(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s for %s", r.Host, r.Header.Get("X-Forwarded-For"))
	}))
	defer app.Close()
	s := newScene(t, "")
	if code, _ := s.resolve(t, "b.internal.", dnsmessage.TypeA); code != dnsmessage.RCodeNameError {
		t.Errorf("unlinked: %v", code)
	}
	s.tell(1, leads("b.internal", app.Listener.Addr().String()))
	s.until(t, "the link is served", served(1))
	if code, list := s.resolve(t, "B.Internal.", dnsmessage.TypeA); code != 0 || len(list) != 1 || list[0].String() != "127.77.0.1" {
		t.Errorf("linked: %v %v", code, list)
	}
	if code, list := s.resolve(t, "b.internal.", dnsmessage.TypeAAAA); code != 0 || len(list) != 0 {
		t.Errorf("IPv6: %v %v", code, list)
	}
	if status, body, err := s.get(t, "127.77.0.9", "b.internal"); status != 200 || body != "b.internal for 127.77.0.9" {
		t.Errorf("%d %q %v", status, body, err)
	}
	for _, host := range []string{"c.internal", "b", "localhost"} {
		if status, body, err := s.get(t, "127.77.0.9", host); status != 404 || !strings.Contains(body, "paas links:add") {
			t.Errorf("%s: %d %q %v", host, status, body, err)
		}
	}
	if status, _, err := s.get(t, "127.0.0.1", "b.internal"); err == nil {
		t.Errorf("another network was answered %d", status)
	}
	s.tell(2)
	s.until(t, "the link is gone", served(2))
	if code, _ := s.resolve(t, "b.internal.", dnsmessage.TypeA); code != dnsmessage.RCodeNameError {
		t.Errorf("unlinked again: %v", code)
	}
	if status, _, err := s.get(t, "127.77.0.9", "b.internal"); status != 404 {
		t.Errorf("unlinked again: %d %v", status, err)
	}
}

// What is under way to an instance that left is told until it is done.
func TestDoorTellsWhatIsUnderWay(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(began)
		<-end
	}))
	defer app.Close()
	s := newScene(t, "")
	target := app.Listener.Addr().String()
	s.tell(1, leads("b.internal", target))
	s.until(t, "it is served", served(1))
	var asked sync.WaitGroup
	asked.Go(func() {
		if status, _, err := s.get(t, "127.77.0.9", "b.internal"); status != 200 {
			t.Errorf("%d %v", status, err)
		}
	})
	<-began
	s.tell(2, leads("b.internal"))
	s.until(t, "a request is under way", func(a router.Ack) bool { return a.Version == 2 && a.Busy[target] == 1 })
	close(end)
	s.until(t, "it is done", served(2))
	asked.Wait()
}

// A host that starts again serves what it served, and a network that comes back
// has its door again.
func TestDoorsRemember(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer app.Close()
	file := filepath.Join(t.TempDir(), "links.json")
	s := newScene(t, file)
	s.tell(5, leads("b.internal", app.Listener.Addr().String()))
	s.until(t, "it is served", served(5))
	s.stop()

	again := newScene(t, file)
	again.until(t, "it is served again", served(5))
	reached := func(want bool) {
		t.Helper()
		for end := time.Now().Add(patience); time.Now().Before(end); {
			if status, _, _ := again.get(t, "127.77.0.9", "b.internal"); (status == 200) == want {
				return
			}
		}
		t.Fatalf("reached: not %v", want)
	}
	reached(true)
	again.doors.Networks(nil)
	reached(false)
	again.doors.Networks([]Network{again.net})
	reached(true)
}

// What is below others' names is asked of the machine's resolver, a bounded number
// at a time.
func TestNamesOfOthers(t *testing.T) {
	s := newNames(nil, Network{AppID: "a", Subnet: netip.MustParsePrefix("127.77.0.0/26")})
	for name, want := range map[string]bool{"b.internal": true, "internal": true, "x.b.internal": false, "metadata.google.internal": false} {
		if ours(name) != want {
			t.Errorf("%s is ours: %v", name, !want)
		}
	}
	ask := func(err error, list ...netip.Addr) dnsmessage.Message {
		s.lookup = func(_ context.Context, network, host string) ([]netip.Addr, error) {
			if network != "ip4" || host != "metadata.google.internal." {
				t.Errorf("asked for %s %s", network, host)
			}
			return list, err
		}
		m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("metadata.google.internal."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
		return s.ask(t.Context(), m, "metadata.google.internal")
	}
	if m := ask(nil, netip.MustParseAddr("::ffff:192.0.2.1")); m.RCode != 0 || len(m.Answers) != 1 {
		t.Errorf("found: %+v", m)
	}
	if m := ask(&net.DNSError{IsNotFound: true}); m.RCode != dnsmessage.RCodeNameError {
		t.Errorf("not found: %+v", m)
	}
	if m := ask(io.ErrUnexpectedEOF); m.RCode != dnsmessage.RCodeServerFailure {
		t.Errorf("failed: %+v", m)
	}
}

func FuzzQuestion(f *testing.F) {
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01b\x08internal\x00\x00\x01\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := question(b)
		if !ok {
			return
		}
		if _, err := m.Pack(); err != nil {
			t.Fatalf("what was understood cannot be answered: %v", err)
		}
	})
}

// However much an app asks, its door answers so many questions a second.
func TestQuestionsHaveAPace(t *testing.T) {
	var p pace
	now := time.Now()
	began := now
	for range 10 * maxAnswered {
		now = now.Add(p.next(now))
	}
	if took := now.Sub(began); took != 9*answerTime {
		t.Errorf("%d questions are taken within %s", 10*maxAnswered, took)
	}
	now = now.Add(answerTime)
	for i := range maxAnswered {
		if rest := p.next(now); rest != 0 {
			t.Fatalf("after a while without any, question %d waits for %s", i, rest)
		}
	}
}
