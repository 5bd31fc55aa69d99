package fleet

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"time"

	"paas/router"
	"paas/scheduler/agent"
	"paas/server"
)

// Hosts is what the control plane knows of hosts; server.Fleet is one.
type Hosts interface {
	// Join makes a host of one that has a token. The same token with the same
	// key gives the same host again.
	Join(ctx context.Context, j server.Join) (hostID, name string, err error)
	// HostByKey gives the host of a key; ErrNotFound when there is none any more.
	HostByKey(ctx context.Context, keyHash []byte) (hostID string, err error)
	// HostExists gives ErrNotFound for a host that was removed.
	HostExists(ctx context.Context, hostID string) error
	// RenewKey makes another key a host's; said again it changes nothing.
	RenewKey(ctx context.Context, hostID string, from, to []byte) error
	// Announce notes what an agent says of its machine when it starts.
	Announce(ctx context.Context, hostID string, j server.Join) error
}

// Config says where agents come to and what they get there.
type Config struct {
	Addr     string // to listen on; port 0 takes a free one
	Registry Registry
	// Epoch grows with each change of who leads, 0 while this process does not:
	// then hosts are sent to whoever does.
	Epoch func() int64
	// Behind gives what is behind a door for other servers, nil while it is not
	// there; without it there are no such doors.
	Behind func(door string) http.Handler
	// Where says which servers there are that hosts may go to; nil: this one alone.
	Where func() Where
	// Links is what the doors of hosts serve; nil: nothing.
	Links router.LinkSource
	// CertificateLife is how long a host's certificate is good, 24 h when zero.
	CertificateLife time.Duration
	// JoinsPerMinute is how many tries one address has, 20 when zero.
	JoinsPerMinute int
	// MaxConns is how many connections are open at once, 20,000 when zero, and
	// MaxConnsPerAddr how many of one address, 2,000 when zero. A host has four.
	MaxConns        int
	MaxConnsPerAddr int
	// MaxSet is how many bytes one set may have, as much as hosts take when zero.
	MaxSet int
	Edge
}

// Registry is where hosts' images come from.
type Registry struct {
	URL            string // http://127.0.0.1:5500
	User, Password string
}

// Server is the control plane's door for agents.
type Server struct {
	cfg     Config
	auth    *Authority
	control agent.Control
	hosts   Hosts
	log     *slog.Logger

	ln       net.Listener
	srv      *http.Server
	doors    *doors
	stop     context.CancelFunc // ends the streams
	pull     *httputil.ReverseProxy
	joins    *limiter
	tells    *limiter             // announcements, by host
	opens    *limiter             // streams, by host
	term     atomic.Pointer[term] // while this process leads
	messages counts               // under way, by host
	reports  counts
	pulls    counts
	asks     counts
	cares    counts // of hosts and routers
	serverList
}

// New opens the listener.
func New(cfg Config, auth *Authority, control agent.Control, hosts Hosts, log *slog.Logger) (*Server, error) {
	setDefault(&cfg.CertificateLife, leafLife)
	setDefault(&cfg.JoinsPerMinute, 20)
	setDefault(&cfg.MaxSet, maxSet)
	setDefault(&cfg.MaxConns, 20000)
	setDefault(&cfg.MaxConnsPerAddr, 2000)
	pull, err := newPull(cfg.Registry, log)
	if err != nil {
		return nil, fmt.Errorf("the address for hosts: %w", err)
	}
	ln, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("the address for hosts: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{cfg: cfg, auth: auth, control: control, hosts: hosts, log: log, ln: newBounded(ln, cfg.MaxConns, cfg.MaxConnsPerAddr), stop: stop,
		pull: pull, joins: newLimiter(cfg.JoinsPerMinute), tells: newLimiter(tellsPerMinute), opens: newLimiter(opensPerMinute)}
	s.doors = newDoors(auth, cfg.Epoch, s.knowsRouter, cfg.Behind, log)
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	s.srv = &http.Server{
		Handler:           s.routes(),
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 2000, SendPingTimeout: pingAfter, PingTimeout: pingLimit},
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers' handshakes
		TLSNextProto:      s.doors.next,
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS13,
			NextProtos:     s.doors.protocols(),
			GetCertificate: auth.certificate,
			// Who has none can join; all else looks at it, see identify.
			ClientAuth: tls.RequestClientCert,
		},
	}
	return s, nil
}

func setDefault[T int | time.Duration](v *T, value T) {
	if *v == 0 {
		*v = value
	}
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Run serves until ctx ends. Agents come back by themselves, so nobody is
// waited for longer than a moment.
func (s *Server) Run(ctx context.Context) error {
	s.doors.run()
	defer s.doors.close()
	served := make(chan error, 1)
	go func() { served <- s.srv.ServeTLS(s.ln, "", "") }()
	var err error
	select {
	case <-ctx.Done():
		s.stop()
		s.doors.close()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if s.srv.Shutdown(limited) != nil {
			err = s.srv.Close()
		}
		<-served
	case err = <-served:
		s.stop()
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *Server) routes() http.Handler {
	message := func(serve func(*term, http.ResponseWriter, *http.Request, string)) http.HandlerFunc {
		return s.within(&s.messages, maxMessages, serve)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/clock", s.clock)
	mux.HandleFunc("GET /v1/hello", s.hello)
	mux.HandleFunc("POST /v1/join", s.join)
	mux.HandleFunc("POST /v1/renew", s.renew)
	mux.HandleFunc("POST /v1/rekey", s.rekey)
	mux.HandleFunc("POST /v1/announce", s.forAny(s.announceHost))
	mux.HandleFunc("POST /v1/beat", message((*term).beat))
	mux.HandleFunc("POST /v1/report", s.within(&s.reports, maxReports, (*term).report))
	mux.HandleFunc("POST /v1/logs", message((*term).logs))
	mux.HandleFunc("GET /v1/cursor", s.within(&s.asks, maxAsks, (*term).cursor))
	mux.HandleFunc("POST /v1/usage", message((*term).usage))
	mux.HandleFunc("POST /v1/links/ack", message((*term).ackLinks))
	mux.HandleFunc("GET /v1/links", s.opening((*term).links))             // the newest one only
	mux.HandleFunc("GET /v1/assignments", s.opening((*term).assignments)) // the newest one only
	mux.HandleFunc("GET /v1/sessions", s.opening((*term).offer))          // as above
	mux.HandleFunc("POST /v1/sessions/{id}", s.forHost((*term).session))  // those that were offered
	mux.HandleFunc("/v2/", s.within(&s.pulls, maxPulls, (*term).images))
	s.edgeRoutes(mux)
	return mux
}

// read takes a message of at most limit bytes, in bounded time.
func read(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyLimit)) // HTTP/2 knows it
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return server.Errorf(server.ErrTooLarge, "The message is larger than %d bytes.", limit)
	case err != nil:
		return server.Errorf(server.ErrInvalid, "The message broke off.")
	}
	if err := json.Unmarshal(text, v); err != nil {
		return server.Errorf(server.ErrInvalid, "The message is no JSON of the expected kind: %s.", err)
	}
	return nil
}

// answer sends v, or what err means.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, v any, err error) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(bodyLimit)) // HTTP/2 knows it
	w.Header().Set("Content-Type", "application/json")
	if err == nil {
		_ = json.NewEncoder(w).Encode(v) // the other end has gone when it fails
		return
	}
	var told *server.Error
	if !errors.As(err, &told) {
		if r.Context().Err() == nil {
			s.log.Warn("a host's request failed", "path", r.URL.Path, "remote", r.RemoteAddr, "err", err)
		}
		told = server.Errorf(server.ErrUnavailable, "The control plane cannot do that now.")
	}
	w.WriteHeader(told.ID.Status())
	_ = json.NewEncoder(w).Encode(problem{ID: string(told.ID), Message: told.Error()}) // as above
}
