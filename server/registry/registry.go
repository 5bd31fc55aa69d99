// Package registry is the embedded image registry: distribution/v3 over a
// directory, served on loopback to BuildKit, the local Docker Engine and the
// operator's mirror commands.
//
// Two kinds of repositories live in it. Those of apps are named by the app's
// id and are closed: each is reached with the registry's own credentials or
// with credentials derived for that one repository. Those under "library/"
// stand in for the official base images of docker.io and may be read by
// anybody on the machine, so that BuildKit can use the registry as a mirror.
package registry

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the one storage driver used
	"github.com/sirupsen/logrus"
)

// Limits of the HTTP side. There is none on a whole request: layers are large
// and a slow disk is no reason to cut a push.
const (
	headerTimeout   = 10 * time.Second
	idleTimeout     = 2 * time.Minute
	maxHeaderBytes  = 64 << 10
	shutdownTimeout = 5 * time.Second
	storageThreads  = 25   // file operations at once
	catalogPage     = 1000 // repositories an answer
)

// Config says where the registry listens and what it keeps.
type Config struct {
	Addr     string // host:port, a loopback address; port 0 takes a free one
	Dir      string // images are kept below it; made when missing
	User     string // of the registry's own credentials, good for every repository
	Password string // random, at least 16 bytes
}

// Registry serves images over HTTP.
type Registry struct {
	cfg Config
	log *slog.Logger
	ln  net.Listener
	app *handlers.App
	srv *http.Server
}

// New opens the listener and the storage. It refuses an address that other
// machines can reach, because the registry speaks plain HTTP.
func New(cfg Config, log *slog.Logger) (*Registry, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("registry: make the image directory: %w", err)
	}
	ln, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("registry: listen: %w", err)
	}
	app, err := newApp(cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("registry: %w", err), ln.Close())
	}
	r := &Registry{cfg: cfg, log: log, ln: ln, app: app}
	r.srv = &http.Server{
		Handler:           r.handler(app),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return r, nil
}

// Addr is host:port as clients reach it.
func (r *Registry) Addr() string { return r.ln.Addr().String() }

// Auth is the registry's own credentials.
func (r *Registry) Auth() Auth { return Auth{User: r.cfg.User, Password: r.cfg.Password} }

// Run serves until ctx ends, then lets requests under way finish for a few
// seconds.
func (r *Registry) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- r.srv.Serve(r.ln) }()
	var err error
	select {
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if r.srv.Shutdown(stop) != nil {
			err = r.srv.Close()
		}
		<-served
	case err = <-served:
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	if err = errors.Join(err, r.app.Shutdown()); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	return nil
}

func (c Config) check() error {
	if c.Dir == "" || !filepath.IsAbs(c.Dir) {
		return fmt.Errorf("the image directory %q is not an absolute path", c.Dir)
	}
	if c.User == "" || len(c.Password) < 16 {
		return errors.New("a user and a password of at least 16 bytes are needed")
	}
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return fmt.Errorf("address %q: %w", c.Addr, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("address %q is not a loopback address, and the embedded registry has no TLS; "+
			"use 127.0.0.1:PORT, or give the address of an external registry", c.Addr)
	}
	return nil
}

// newApp builds distribution's application. It reports bad settings by
// panicking, which ends here.
func newApp(cfg Config) (app *handlers.App, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("open the storage in %s: %v", cfg.Dir, p)
		}
	}()
	// distribution knows only logrus's process-wide logger and writes several
	// lines a request to it. What matters is logged by handler.
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.PanicLevel)
	conf := &configuration.Configuration{
		Storage: configuration.Storage{
			"filesystem": {"rootdirectory": cfg.Dir, "maxthreads": storageThreads},
			"delete":     {"enabled": true},
			"redirect":   {"disable": true},
		},
	}
	conf.Catalog.MaxEntries = catalogPage
	conf.HTTP.Addr = cfg.Addr
	conf.HTTP.RelativeURLs = true
	conf.HTTP.Secret = uploadSecret(cfg.Password)
	return handlers.NewApp(context.Background(), conf), nil
}

// uploadSecret signs the state of uploads; derived, so that an upload can go
// on after a restart.
func uploadSecret(password string) string {
	mac := hmac.New(sha256.New, []byte(password))
	mac.Write([]byte("upload state"))
	return hex.EncodeToString(mac.Sum(nil))
}
