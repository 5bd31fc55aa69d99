package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"paas/server"
)

// Only a server comes through the doors for servers, and only while the other
// one leads; there the address of the client is the one it saw, whatever the
// client says.
func TestDoors(t *testing.T) {
	auth := newTestAuthority(t)
	var epoch atomic.Int64
	epoch.Store(1)
	behind := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.RemoteAddr, " ", r.Host, " ", r.URL.Path, " ", r.Header.Get(remoteHeader))
	})
	s, err := New(Config{Addr: "127.0.0.1:0", Epoch: epoch.Load, Registry: Registry{URL: "http://127.0.0.1:9"},
		Behind: func(string) http.Handler { return behind }}, auth, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host, err := auth.member(roleHost, "h1", &key.PublicKey, leafLife)
	if err != nil {
		t.Fatal(err)
	}
	edge, err := auth.member(roleRouter, "r1", &key.PublicKey, leafLife)
	if err != nil {
		t.Fatal(err)
	}
	peers := NewPeers("s2", auth)
	other := NewPeers("s3", newTestAuthority(t))
	other.auth.root = auth.root // it trusts the one it wants to deceive
	for label, p := range map[string]*Peers{
		"a host":                  {auth: auth, cert: &tls.Certificate{Certificate: [][]byte{host.Raw}, PrivateKey: key, Leaf: host}},
		"a router":                {auth: auth, cert: &tls.Certificate{Certificate: [][]byte{edge.Raw}, PrivateKey: key, Leaf: edge}},
		"of another installation": other,
	} {
		if c, err := p.Dial(t.Context(), s.Addr().String(), DoorOperator); err == nil {
			_ = c.Close()
			t.Errorf("%s came in", label)
		}
	}
	unknown := &Peers{auth: auth, cert: &tls.Certificate{Certificate: [][]byte{edge.Raw}, PrivateKey: key, Leaf: edge}}
	if c, err := unknown.Dial(t.Context(), s.Addr().String(), DoorDashboard); err == nil {
		_ = c.Close()
		t.Error("a router that is not known came in")
	}
	front := httptest.NewServer(NewForward(peers, listOf(t, s.Addr().String()), func() int64 { return 0 }, slog.New(slog.DiscardHandler)).
		Handler(DoorAPI, http.NotFoundHandler()))
	defer front.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front.URL+"/x", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "paas.example.com"
	r.Header.Set(remoteHeader, "203.0.113.9:1")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || !strings.HasPrefix(string(body), "127.0.0.1:") || !strings.HasSuffix(string(body), " paas.example.com /x ") {
		t.Errorf("%q %v", body, err)
	}
	epoch.Store(0)
	if c, err := peers.Dial(t.Context(), s.Addr().String(), DoorAPI); err == nil {
		_ = c.Close()
		t.Error("it does not lead and lets others in")
	}
}

func newTestAuthority(t testing.TB) *Authority {
	t.Helper()
	text, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	a, err := OpenAuthority(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// leads is a list of servers with a leader.
type leads struct {
	server.ServerStore
	addr string
}

func (l leads) Servers(context.Context) ([]server.ServerEntry, error) {
	return []server.ServerEntry{{ID: "s1", Name: "s1", Addr: l.addr, Leads: true}}, nil
}

func listOf(t *testing.T, addr string) *server.Servers {
	t.Helper()
	list := server.NewServers(server.ServerEntry{ID: "s2"}, leads{addr: addr}, slog.New(slog.DiscardHandler))
	if err := list.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	return list
}
