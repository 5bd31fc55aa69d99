package router

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"
)

// Router is one edge of the platform. Make it with New, then Run it once.
type Router struct {
	cfg    Config
	source Source
	log    *slog.Logger

	fleet    *fleet
	fresh    *http.Transport // no connection of it is ever used twice
	server   *http.Server
	plain    net.Listener
	secure   *tlsListener // nil without HTTPSAddr
	certs    *certFile    // nil without HTTPSAddr
	buffers  httputil.BufferPool
	policy   string      // Content-Security-Policy of our pages
	proxyLog *log.Logger // of httputil.ReverseProxy; what matters is in the log line
	kept     int64       // the swap whose table is in the snapshot; of publish only

	// work counts requests, with their tunnels, and what they started.
	// http.Server does not wait for upgraded connections, Run does. (Not a
	// WaitGroup: a request may still come while the others are waited for.)
	work atomic.Int64
}

// New opens the listeners and loads the snapshot, so that Run serves at once.
// It fails when an address cannot be listened on, the certificate does not
// load or cfg makes no sense; a broken snapshot is reported and ignored.
func New(cfg Config, source Source, log *slog.Logger) (*Router, error) {
	if err := cfg.prepare(); err != nil {
		return nil, fmt.Errorf("router config: %w", err)
	}
	r := &Router{
		cfg: cfg, source: source, log: log, policy: pagePolicy(), buffers: newBuffers(),
		proxyLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), fresh: newPool(cfg.Limits, false, func() bool { return false }),
	}
	r.fleet = newFleet(cfg.Limits)
	r.loadSnapshot()
	r.server = r.newServer()
	if err := r.listen(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Router) loadSnapshot() {
	if r.cfg.SnapshotFile == "" {
		return
	}
	t, ok, err := readSnapshot(r.cfg.SnapshotFile)
	if err != nil {
		r.log.Error("routing snapshot ignored; serving nothing until the first table", "err", err)
	}
	if !ok {
		return
	}
	r.serveTable(t)
	_, r.kept = r.fleet.current()
}

func (r *Router) newServer() *http.Server {
	l := r.cfg.Limits
	return &http.Server{
		Handler:                      http.HandlerFunc(r.serveHTTP),
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is the app's, and counts as a request
		ReadHeaderTimeout:            l.ReadHeader,
		IdleTimeout:                  l.KeepAlive,
		MaxHeaderBytes:               l.MaxHeaderBytes,
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: l.MaxStreams, WriteByteTimeout: l.Idle},
		ConnContext:                  withGuard,
		ErrorLog:                     r.proxyLog,
	}
}

func (r *Router) listen() (err error) {
	l := r.cfg.Listener
	if l == nil {
		if l, err = net.Listen("tcp", r.cfg.HTTPAddr); err != nil {
			return fmt.Errorf("listen for HTTP on %s: %w", r.cfg.HTTPAddr, err)
		}
	}
	r.plain = plainListener{newSlotListener(l, r.cfg.Limits.MaxConns), r.cfg.Limits}
	if r.cfg.HTTPSAddr == "" {
		return nil
	}
	if r.certs, err = loadCert(r.cfg.CertFile, r.cfg.KeyFile, r.log); err != nil {
		return err
	}
	if l, err = net.Listen("tcp", r.cfg.HTTPSAddr); err != nil {
		return fmt.Errorf("listen for HTTPS on %s: %w", r.cfg.HTTPSAddr, err)
	}
	r.secure = newTLSListener(newSlotListener(l, r.cfg.Limits.MaxConns), r.certs.config(), r.cfg.Limits)
	return nil
}

// Addr is the address of the HTTP listener.
func (r *Router) Addr() net.Addr { return r.plain.Addr() }

// TLSAddr is the address of the HTTPS listener, nil when there is none.
func (r *Router) TLSAddr() net.Addr {
	if r.secure == nil {
		return nil
	}
	return r.secure.Addr()
}

// Close frees the listeners of a router that is not going to Run.
func (r *Router) Close() error {
	var errs []error
	if r.plain != nil {
		errs = append(errs, r.plain.Close())
	}
	if r.secure != nil {
		errs = append(errs, r.secure.Close())
	}
	return errors.Join(errs...)
}

// Run serves until ctx ends, then stops accepting, lets requests finish for
// Limits.StopTimeout, and returns nil. Upgraded connections are told to go away
// when the stop begins. It returns an error when a listener fails.
func (r *Router) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The publisher outlives ctx: while requests finish, the source goes on
	// learning which instances are still busy.
	publishing, endPublishing := context.WithCancel(context.WithoutCancel(ctx))
	defer endPublishing()
	var loops sync.WaitGroup
	loops.Go(func() { r.follow(ctx) })
	loops.Go(func() { r.publish(publishing) })

	served := make(chan error, 2)
	loops.Go(func() { served <- r.server.Serve(r.plain) })
	if r.secure != nil {
		loops.Go(func() { served <- r.server.Serve(r.secure) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
		err = fmt.Errorf("serve HTTP: %w", err)
	}
	cancel()
	r.stop()
	endPublishing()
	loops.Wait()
	return err
}

// killGrace is how long handlers have to notice that their connection was
// closed. Only a Fallback that ignores its context can need it.
const killGrace = 5 * time.Second

// stop ends all requests, the patient way first.
func (r *Router) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.Limits.StopTimeout)
	defer cancel()
	r.fleet.closeTunnels()
	if err := r.server.Shutdown(ctx); err != nil {
		r.log.Warn("requests cut at stop", "after", r.cfg.Limits.StopTimeout, "err", err)
	}
	if !r.waitIdle(ctx) {
		_ = r.server.Close() // ends every connection, and with it every handler
		late, cancelLate := context.WithTimeout(context.Background(), killGrace)
		defer cancelLate()
		if !r.waitIdle(late) {
			r.log.Error("handlers still run after their connections were closed")
		}
	}
	r.fleet.closeIdle()
	r.fresh.CloseIdleConnections()
}

// waitIdle waits until no request and no tunnel is left; false means that ctx
// ended first. Requests that became tunnels meanwhile are sent away, too.
func (r *Router) waitIdle(ctx context.Context) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for r.work.Load() > 0 {
		r.fleet.closeTunnels()
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// buffers lends the 32 KiB blocks through which bodies pass.
type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{pool: sync.Pool{New: func() any { return new([32 << 10]byte) }}}
}

func (b *buffers) Get() []byte {
	block, ok := b.pool.Get().(*[32 << 10]byte)
	if !ok {
		block = new([32 << 10]byte)
	}
	return block[:]
}

func (b *buffers) Put(p []byte) { b.pool.Put((*[32 << 10]byte)(p)) }
