// Package httpd is the HTTP API: Heroku's Platform API v3 where Heroku has the
// resource, the same style where it has not. It turns requests into calls of
// the platform's use cases and their results into JSON; it decides nothing.
package httpd

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"paas/server"
	"paas/server/api"
	"paas/server/terminal"
)

// Config is what the API needs to know; zero values are usable except Addr
// and the two URL functions.
type Config struct {
	Addr              string // "127.0.0.1:5000", ":0"
	CertFile, KeyFile string // PEM; both or none (plain HTTP)
	// SocketPath is the operator's unix socket, mode 0600; empty for none.
	// Its peers are the operator when they are root or the server's own user.
	SocketPath string
	// APIURL is how clients reach the API, without a slash at the end; empty
	// means the address it listens on.
	APIURL string
	WebURL func(app string) string // "http://myapp.example.com/"
	GitURL func(app string) string // "ssh://paas@example.com:2222/myapp.git"
	// DashboardURL is of the dashboard, without a slash at the end; empty for none.
	DashboardURL string
	// Version is told to clients that ask.
	Version api.Version
	Sizes   []server.Size
	// Ready is asked by /healthz; nil means always ready.
	Ready func(ctx context.Context) error
	// Forward puts something before the API, of the operator's socket or not,
	// that may have another server answer; nil for nothing.
	Forward func(operator bool, local http.Handler) http.Handler
	// LogKey signs the URLs of log sessions; servers that share clients share
	// it. Random when empty.
	LogKey []byte
	// TerminalPing is the silence after which the client of a terminal session
	// is asked whether it lives (0: 15 s), TerminalGone the one after which it
	// is taken to be gone (0: 40 s).
	TerminalPing, TerminalGone time.Duration
}

// The limits of the API.
const (
	headerTimeout  = 10 * time.Second // for the head of a request
	bodyTimeout    = 30 * time.Second // for its body
	writeTimeout   = 30 * time.Second // for one write to a client that reads slowly
	idleTimeout    = 60 * time.Second // between two requests
	requestTimeout = 30 * time.Second // for what reads or changes rows
	waitTimeout    = 20 * time.Minute // for what waits for the app's rollout slot
	stopTimeout    = 10 * time.Second // for requests in flight at the end
	maxHeaderBytes = 64 << 10
	maxBodyBytes   = 1 << 20
	maxConns       = 4096
	maxConnsPerIP  = 256
)

// Server serves the API.
type Server struct {
	cfg      Config
	svc      Services
	log      *slog.Logger
	handler  http.Handler
	listen   net.Listener
	socket   net.Listener // nil without
	stopping chan struct{}
	joins    *server.Tries // tries at invitation codes

	terminals *terminal.Host
}

// New opens the listeners. Without a Run, Close frees them.
func New(cfg Config, svc Services, log *slog.Logger) (*Server, error) {
	if cfg.WebURL == nil || cfg.GitURL == nil {
		return nil, errors.New("http api: WebURL and GitURL must be set")
	}
	s := &Server{cfg: cfg, svc: svc, log: log, stopping: make(chan struct{}), joins: server.NewTries(joinTries, joinWindow)}
	if len(s.cfg.LogKey) == 0 {
		s.cfg.LogKey = make([]byte, 32)
		rand.Read(s.cfg.LogKey)
	}
	s.terminals = terminal.NewHost(terminal.Config{Ping: cfg.TerminalPing, Gone: cfg.TerminalGone, Stopping: s.stopping, Failed: s.sessionFailed})
	scheme, err := s.open()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.cfg.APIURL == "" {
		s.cfg.APIURL = scheme + "://" + s.listen.Addr().String()
	}
	s.cfg.APIURL = strings.TrimRight(s.cfg.APIURL, "/")
	s.handler = s.routes()
	return s, nil
}

func (s *Server) open() (scheme string, err error) {
	tcp, err := net.Listen("tcp", s.cfg.Addr)
	if err != nil {
		return "", fmt.Errorf("http api: listen on %s: %w", s.cfg.Addr, err)
	}
	s.listen = Limited(tcp)
	scheme = "http"
	if s.cfg.CertFile != "" || s.cfg.KeyFile != "" {
		cert, err := tls.LoadX509KeyPair(s.cfg.CertFile, s.cfg.KeyFile)
		if err != nil {
			return "", fmt.Errorf("http api: load certificate: %w", err)
		}
		s.listen = tls.NewListener(s.listen, &tls.Config{
			Certificates: []tls.Certificate{cert},
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"h2", "http/1.1"},
		})
		scheme = "https"
	}
	if s.cfg.SocketPath != "" {
		if s.socket, err = listenSocket(s.cfg.SocketPath); err != nil {
			return "", fmt.Errorf("http api: operator's socket: %w", err)
		}
	}
	return scheme, nil
}

// Addr is where the API listens.
func (s *Server) Addr() net.Addr { return s.listen.Addr() }

// Close frees the listeners of a server that was never run.
func (s *Server) Close() error {
	var errs []error
	for _, l := range []net.Listener{s.listen, s.socket} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Handler is the API for requests that another server was asked: by its
// operator, or by whoever the request says.
func (s *Server) Handler(operator bool) http.Handler {
	if !operator {
		return s.handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		self := peer{uid: uint32(os.Getuid())} //nolint:gosec // a uid is no larger
		s.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, self)))
	})
}

// front is what the listeners serve. Whether this very server is well it says
// itself.
func (s *Server) front() http.Handler {
	if s.cfg.Forward == nil {
		return s.handler
	}
	others, own := s.cfg.Forward(false, s.handler), s.cfg.Forward(true, s.handler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/healthz":
			s.handler.ServeHTTP(w, r)
		case operator(r.Context()):
			own.ServeHTTP(w, r)
		default:
			others.ServeHTTP(w, r)
		}
	})
}

// Run serves until ctx ends. Then streams end at once, other requests in
// flight get 10 s, and the rest is cut.
func (s *Server) Run(ctx context.Context) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	srv := &http.Server{
		Handler:           s.front(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 2)
	running := 1
	go func() { served <- srv.Serve(s.listen) }()
	if s.socket != nil {
		running++
		go func() { served <- srv.Serve(s.socket) }()
	}
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-served:
		running--
	}
	close(s.stopping)
	grace, done := context.WithTimeout(base, stopTimeout)
	defer done()
	if err := srv.Shutdown(grace); err != nil {
		cut()
		_ = srv.Close() // what is left was given its time
	}
	s.terminals.Wait()
	for range running {
		if err := <-served; failed == nil {
			failed = err
		}
	}
	if failed != nil && !errors.Is(failed, http.ErrServerClosed) {
		return fmt.Errorf("http api: serve: %w", failed)
	}
	return nil
}
