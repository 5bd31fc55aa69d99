package fleet

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"path"
	"strings"
	"sync"
	"time"

	"paas/scheduler/agent"
)

// ProxyUser is the user of the loopback registry; the password is the
// identity's.
const ProxyUser = "paas"

// Proxy is the loopback registry of a host: its engine pulls there, and the
// control plane is asked. Engines take plain HTTP from loopback addresses only.
type Proxy struct {
	c   *Client
	ln  net.Listener
	srv *http.Server
}

// NewProxy opens the listener.
func NewProxy(c *Client, log *slog.Logger) (*Proxy, error) {
	host, _, err := net.SplitHostPort(c.cfg.Registry)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("the registry's address %q is not a loopback one like 127.0.0.1:5500", c.cfg.Registry)
	}
	ln, err := net.Listen("tcp", c.cfg.Registry)
	if err != nil {
		return nil, fmt.Errorf("the loopback registry: %w", err)
	}
	p := &Proxy{c: c, ln: ln}
	onward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "https", c.connections().to
			r.Out.Host = ""
			r.Out.Header.Del("Authorization")
		},
		Transport: bulkLine{c},
		ModifyResponse: func(a *http.Response) error {
			if a.StatusCode == http.StatusMisdirectedRequest {
				c.astray(a.Request.URL.Host, &Refusal{Status: a.StatusCode}) // the engine asks again
			}
			return nil
		},
		ErrorHandler: p.failed,
		ErrorLog:     slog.NewLogLogger(log.Handler(), slog.LevelDebug), // readers that went away
	}
	p.srv = &http.Server{Handler: p.guard(onward), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	return p, nil
}

// Addr is where it listens.
func (p *Proxy) Addr() net.Addr { return p.ln.Addr() }

// Run serves until ctx ends.
func (p *Proxy) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.srv.Close() }) // pulls are repeated
	defer stop()
	if err := p.srv.Serve(p.ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// guard lets in whoever has the password: other users of the machine have not.
func (p *Proxy) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case user != ProxyUser || !same(password, p.c.Identity().Password):
			w.Header().Set("WWW-Authenticate", `Basic realm="paas"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/v2/" || r.URL.Path == "/v2":
			w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
			w.WriteHeader(http.StatusOK)
		case !strings.HasPrefix(r.URL.Path, "/v2/") || path.Clean(r.URL.Path) != r.URL.Path:
			w.WriteHeader(http.StatusNotFound) // whoever pulls does not speak for the host
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func (p *Proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	p.c.noted(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadGateway)
	_, _ = w.Write([]byte(`{"errors":[{"code":"UNAVAILABLE","message":"the control plane does not answer"}]}` + "\n")) // it may have gone
}

// bulkLine sends requests by the present connection for what is large.
type bulkLine struct{ c *Client }

func (b bulkLine) RoundTrip(r *http.Request) (*http.Response, error) {
	return b.c.connections().bulk.RoundTrip(r)
}

// images are those that sets have named, with when they last did.
type images struct {
	mu     sync.Mutex
	seen   map[string]time.Time
	newest []agent.Assignment
}

// keepImages is how long an image stays that no assignment names any more: a
// rollback finds it there.
const keepImages = 24 * time.Hour

func (i *images) note(list []agent.Assignment, now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.newest = list
	i.look(now)
}

// look notes that the newest set is still the newest; mu is held.
func (i *images) look(now time.Time) {
	for _, a := range i.newest {
		i.seen[a.Image] = now
	}
}

// KeptImages are references of the images that this host keeps.
func (c *Client) KeptImages(context.Context) ([]string, error) {
	c.images.mu.Lock()
	defer c.images.mu.Unlock()
	c.images.look(time.Now())
	if c.images.newest == nil {
		return nil, errors.New("which images are in use is not known before the first set of assignments")
	}
	var keep []string
	for ref, at := range c.images.seen {
		if time.Since(at) > keepImages {
			delete(c.images.seen, ref)
			continue
		}
		keep = append(keep, ref)
	}
	return keep, nil
}
