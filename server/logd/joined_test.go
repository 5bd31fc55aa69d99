package logd_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/server"
	"paas/server/logd"
)

// peers are other servers with logs of their own, by address; a nil one does
// not answer.
type peers struct {
	mu     sync.Mutex
	stores map[string]*logd.Store
	cut    map[string]context.CancelCauseFunc
}

var errAway = errors.New("it does not answer")

func (p *peers) at(addr string) (*logd.Store, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stores[addr] == nil {
		return nil, errAway
	}
	return p.stores[addr], nil
}

func (p *peers) set(addr string, s *logd.Store) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stores[addr] = s; s == nil && p.cut[addr] != nil {
		p.cut[addr](errAway)
	}
}

func (p *peers) ReadLog(ctx context.Context, addr string, q server.LogQuery, line func(server.LogLine) error) error {
	s, err := p.at(addr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.mu.Lock()
	p.cut[addr] = cancel
	p.mu.Unlock()
	return s.Read(ctx, q, line)
}

func (p *peers) LogCursor(_ context.Context, addr, instance string) (time.Time, error) {
	s, err := p.at(addr)
	if err != nil {
		return time.Time{}, err
	}
	return s.Cursor(instance), nil
}

// table is which servers there are.
type table struct {
	server.ServerStore
	mu   sync.Mutex
	list []server.ServerEntry
}

func (t *table) Servers(context.Context) ([]server.ServerEntry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.list), nil
}

// together is three servers, "a" among them the one that reads.
type together struct {
	*server.JoinedLogs
	t      *testing.T
	table  *table
	known  *server.Servers
	peers  *peers
	stores map[string]*logd.Store
}

func newTogether(t *testing.T) *together {
	g := &together{t: t, table: &table{}, peers: &peers{stores: map[string]*logd.Store{}, cut: map[string]context.CancelCauseFunc{}}, stores: map[string]*logd.Store{}}
	for _, id := range []string{"a", "b", "c"} {
		s, _ := open(t, logd.Config{Dir: t.TempDir(), FlushEvery: time.Millisecond})
		g.stores[id] = s
		g.table.list = append(g.table.list, server.ServerEntry{ID: id, Name: "server-" + id, Addr: id + ":1"})
		g.peers.set(id+":1", s)
	}
	log := slog.New(slog.DiscardHandler)
	g.known = server.NewServers(server.ServerEntry{ID: "a"}, g.table, log)
	g.look()
	g.JoinedLogs = server.JoinLogs(g.stores["a"], g.known, g.peers, log)
	return g
}

func (g *together) look() {
	g.t.Helper()
	if err := g.known.Look(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

// silent says for how long a server was not heard of.
func (g *together) silent(id string, d time.Duration) {
	g.t.Helper()
	g.table.mu.Lock()
	for i := range g.table.list {
		if g.table.list[i].ID == id {
			g.table.list[i].Silent = d
		}
	}
	g.table.mu.Unlock()
	g.look()
}

func (g *together) read(q server.LogQuery) (out []string) {
	g.t.Helper()
	err := g.Read(g.t.Context(), q, func(l server.LogLine) error {
		out = append(out, l.Text)
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// Lines of all servers come in the order of their times, the newest of all
// within the limit, and one that two servers took in comes once.
func TestJoinedLogs(t *testing.T) {
	g := newTogether(t)
	for n := range 30 {
		g.stores[string(rune('a'+n%3))].Append(line(n))
		if n == 27 {
			g.stores["b"].Append(line(n)) // it was sent again after the leader had gone
		}
	}
	want := func(from int) (list []string) {
		for n := from; n < 30; n++ {
			list = append(list, fmt.Sprintf("line %d", n))
		}
		return list
	}
	if got := g.read(server.LogQuery{AppID: "app-1"}); !slices.Equal(got, want(0)) {
		t.Errorf("%q", got)
	}
	if got := g.read(server.LogQuery{AppID: "app-1", Lines: 7}); !slices.Equal(got, want(23)) {
		t.Errorf("%q", got)
	}
	if got := g.Cursor("i-1"); !got.Equal(line(29).At) {
		t.Errorf("the log ends at %s", got)
	}
	// What a server that is away has is missing, and that is said.
	g.peers.set("c:1", nil)
	got := g.read(server.LogQuery{AppID: "app-1", Lines: 2})
	if len(got) != 3 || got[1] != "line 28" || !strings.Contains(got[2], "server server-c has taken in may be missing") {
		t.Errorf("%q", got)
	}
	g.silent("c", time.Minute)
	if again := g.read(server.LogQuery{AppID: "app-1", Lines: 2}); !slices.Equal(again, got) {
		t.Errorf("%q", again)
	}
	g.silent("c", 48*time.Hour) // nobody waits for it any more
	if got := g.read(server.LogQuery{AppID: "app-1", Lines: 2}); len(got) != 2 {
		t.Errorf("%q", got)
	}
}

// A log is followed at all servers, over the loss of one and its return, and at
// one that comes later.
func TestJoinedTail(t *testing.T) {
	g := newTogether(t)
	g.silent("c", time.Minute)
	now := time.Now()
	at := func(text string) server.LogLine {
		l := line(0)
		l.At, l.Text = now.Add(time.Since(now)), text
		return l
	}
	g.stores["a"].Append(at("one"))
	ctx, cancel := context.WithCancel(t.Context())
	lines, joined, ended := make(chan string, 100), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- g.Read(ctx, server.LogQuery{AppID: "app-1", Tail: true, Lines: 10, Joined: func() { close(joined) }}, func(l server.LogLine) error {
			lines <- l.Text
			return nil
		})
	}()
	await := func(want string) {
		t.Helper()
		select {
		case got := <-lines:
			if !strings.Contains(got, want) {
				t.Errorf("%q, not %q", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("waited in vain for %q", want)
		}
	}
	<-joined
	await("one")
	await("server server-c has taken in may be missing")
	g.stores["b"].Append(at("two"))
	await("two")
	g.stores["a"].Append(at("three"))
	await("three")
	g.peers.set("b:1", nil)
	await("server server-b has taken in may be missing")
	g.stores["b"].Append(at("four"))
	g.peers.set("b:1", g.stores["b"])
	await("four")
	g.stores["c"].Append(at("five"))
	g.silent("c", 0)
	await("five")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	select {
	case more := <-lines:
		t.Errorf("and %q", more)
	default:
	}
}
