package fleet

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

const (
	// maxKept is how many connections to the server that leads are kept open for
	// the next request, of each door.
	maxKept = 64
	// keptFor is how long one is kept that nothing is asked by: what it was opened
	// to leads, most likely, a second later.
	keptFor = time.Second
)

var (
	errNobody = errors.New("no server leads")
	errLeft   = errors.New("the client has gone")
)

// leftHeader is on the answer of a server that does not lead any more and has
// done nothing.
const leftHeader = "Paas-Leads-No-More"

// gate is the way of requests to the server that leads. What may change something
// has a connection of its own, open to one that leads before anything is sent;
// plain questions share connections.
type gate struct {
	ways
	log         *slog.Logger
	broke       string // said when it broke off
	fresh, kept *http.Transport
	proxy       *httputil.ReverseProxy

	mu sync.Mutex
	to string // who leads, as was known last
}

// newGate makes one; open waits for who leads and gives a connection there, nil
// when nobody does.
func newGate(open func(context.Context) net.Conn, broke string, log *slog.Logger) *gate {
	g := &gate{log: log, broke: broke}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		client := ctx.Value(tripKey{}).(*trip).client // ctx goes on when the client has gone
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(client, func() { cancel(errLeft) })()
		if c := open(ctx); c != nil {
			return c, nil
		}
		return nil, errNobody
	}
	g.fresh = &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: dial}
	g.kept = &http.Transport{DisableCompression: true, DialContext: dial, MaxIdleConns: maxKept, MaxIdleConnsPerHost: maxKept, MaxConnsPerHost: maxWays, IdleConnTimeout: keptFor}
	g.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", "leader", r.In.Host
			r.Out.Header.Set(remoteHeader, r.In.RemoteAddr)
		},
		Transport:     roundTrip(g.ask),
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ErrorHandler:  g.failed,
	}
	return g
}

// trip is one request on its way.
type trip struct {
	client context.Context
	nobody bool // led; nothing was sent
}

type tripKey struct{}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip is http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// pass serves a request at the server that leads, which to names as far as it is
// known; false when nobody does, and nothing was answered.
func (g *gate) pass(w http.ResponseWriter, r *http.Request, to string) bool {
	g.towards(to)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	t := &trip{client: ctx}
	g.proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, tripKey{}, t)))
	return !t.nobody
}

// towards lets go of what was kept to another one than leads now.
func (g *gate) towards(to string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.to != to {
		g.to = to
		g.kept.CloseIdleConnections()
	}
}

// ask sends a request. A question that comes to a server which has just ceased to
// lead is asked anew.
func (g *gate) ask(r *http.Request) (*http.Response, error) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.ContentLength == 0 && r.Header.Get("Upgrade") == "" {
		answer, err := g.kept.RoundTrip(r)
		if err != nil || answer.Header.Get(leftHeader) == "" {
			return answer, err
		}
		if err := answer.Body.Close(); err != nil {
			return nil, err
		}
	}
	return g.fresh.RoundTrip(r)
}

// failed answers what got no answer.
func (g *gate) failed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errNobody) {
		r.Context().Value(tripKey{}).(*trip).nobody = true
		return // who has let it in knows what to say
	}
	if r.Context().Err() == nil {
		g.log.Warn("a request broke off on its way to the server that leads", "path", r.URL.Path, "err", err)
	}
	answerAway(w, g.broke)
}
