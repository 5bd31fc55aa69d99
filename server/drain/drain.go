// Package drain sends the lines of apps' logs to where their owners want them:
// syslog over TCP or TLS, and HTTPS, framed as Heroku's logplex frames them.
//
// Each drain follows the log of its app, from the moment it was added, into a
// bounded queue of its own, and a goroutine of its own empties it. A drain
// that is slow or away loses its oldest lines, is told so (L10), and holds up
// nobody: not the log, not the readers, not the other drains.
package drain

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync"
	"time"

	"paas/server"
)

// Config are the limits. Zero values take the defaults named.
type Config struct {
	Guard     *Guard         // where may be sent to; public addresses only
	RootCAs   *x509.CertPool // that collectors' certificates are checked with; the machine's
	UserAgent string         // of HTTPS requests; "Logplex/paas"

	MaxLines   int   // lines that wait for one drain; 10,000
	MaxBytes   int   // memory of them; 4 MiB
	TotalBytes int64 // memory of the lines that wait for all drains; 256 MiB

	Timeout  time.Duration // to connect, and for one write or request; 10 s
	MinPause time.Duration // before the second attempt, then doubled; 1 s
	MaxPause time.Duration // between two attempts; 1 minute
	GiveUp   time.Duration // after which a batch is dropped; 5 minutes
	Linger   time.Duration // at the end, for lines that still wait; 2 s
	Refresh  time.Duration // how often drains are listed without being told to; 10 s
}

func (c Config) withDefaults() Config {
	or := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	or(&c.Timeout, 10*time.Second)
	or(&c.MinPause, time.Second)
	or(&c.MaxPause, time.Minute)
	or(&c.GiveUp, 5*time.Minute)
	or(&c.Linger, 2*time.Second)
	or(&c.Refresh, 10*time.Second)
	if c.MaxLines <= 0 {
		c.MaxLines = 10_000
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 4 << 20
	}
	if c.TotalBytes <= 0 {
		c.TotalBytes = 256 << 20
	}
	if c.UserAgent == "" {
		c.UserAgent = "Logplex/paas"
	}
	if c.Guard == nil {
		c.Guard = &Guard{}
	}
	return c
}

// Source knows the drains there are.
type Source interface {
	AllDrains(ctx context.Context) ([]server.Drain, error)
}

var _ Source = (*server.Service)(nil)

// Sender sends to all drains.
type Sender struct {
	cfg    Config
	source Source
	logs   server.Logs
	bell   *server.Bell
	log    *slog.Logger
	room   *budget

	ready   chan struct{}      // closed when the drains of the first list are followed
	working map[string]*worker // by drain; Run's alone
	wg      sync.WaitGroup
}

// New makes a sender; Run sends.
func New(cfg Config, source Source, logs server.Logs, bell *server.Bell, log *slog.Logger) *Sender {
	cfg = cfg.withDefaults()
	return &Sender{
		cfg: cfg, source: source, logs: logs, bell: bell, log: log, room: &budget{max: cfg.TotalBytes},
		ready: make(chan struct{}), working: map[string]*worker{},
	}
}

// Ready is closed once every line that is logged from then on reaches the
// drains there were when Run began.
func (s *Sender) Ready() <-chan struct{} { return s.ready }

// errRemoved ends a worker whose drain is no more: nothing more is sent.
var errRemoved = errors.New("drain removed")

// Run sends until ctx ends, then what still waits, for Config.Linger at most.
func (s *Sender) Run(ctx context.Context) error {
	defer s.wg.Wait()
	wake, stop := s.bell.Listen(server.NoticeDrains)
	defer stop()
	for first := true; ctx.Err() == nil; {
		pause := s.cfg.Refresh
		err := s.sync(ctx)
		switch {
		case err == nil && first:
			s.joined(ctx)
			first = false
		case err != nil && ctx.Err() == nil:
			s.log.Warn("list log drains", "err", err)
			pause = time.Second
		}
		select {
		case <-wake:
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// sync starts what is new and ends what is gone.
func (s *Sender) sync(ctx context.Context) error {
	drains, err := s.source.AllDrains(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, d := range drains {
		there[d.ID] = true
		if s.working[d.ID] != nil {
			continue
		}
		u, err := server.ParseDrainURL(d.URL)
		if err != nil { // it was checked when it was added
			s.log.Error("log drain cannot be used", "app", d.App, "drain", d.Token, "err", err)
			continue
		}
		w := newWorker(ctx, s, d, u)
		s.working[d.ID] = w
		s.wg.Go(w.run)
	}
	for id, w := range s.working {
		if !there[id] {
			w.end(errRemoved)
			delete(s.working, id)
		}
	}
	return nil
}

// joined waits until all workers follow their apps.
func (s *Sender) joined(ctx context.Context) {
	for _, w := range s.working {
		select {
		case <-w.follows:
		case <-ctx.Done():
			return
		}
	}
	close(s.ready)
}
