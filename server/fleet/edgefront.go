package fleet

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"time"
)

// Front passes requests for the platform's own host on to the server that
// leads, streams and WebSockets too.
func (e *EdgeClient) Front() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", "leader", r.In.Host
			r.Out.Header.Set(remoteHeader, r.In.RemoteAddr)
		},
		// One connection a request, as with Forward.
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return ctx.Value(connKey{}).(net.Conn), nil
		}},
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				e.log.Warn("a request for the dashboard broke off", "path", r.URL.Path, "err", err)
			}
			answerAway(w, "The control plane has gone while it worked on this. It may have been done: look before you do it again.")
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.ways.enter() {
			answerAway(w, "Too many requests are on their way to the control plane. Nothing was changed; try again in a moment.")
			return
		}
		defer e.ways.leave()
		c := e.door(r.Context())
		if c == nil {
			answerAway(w, "The control plane does not answer. Nothing was changed; apps are served. Try again in a moment.")
			return
		}
		// Closed in any case: the transport may not have come so far as to use it.
		defer c.Close() //nolint:errcheck // what was to be said on it was said
		proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), connKey{}, c)))
	})
}

// frontLimit is how long a request for the dashboard waits for a control plane.
const frontLimit = 5 * time.Second

// door opens the dashboard's at a server that leads; nil when none does.
func (e *EdgeClient) door(ctx context.Context) net.Conn {
	ctx, cancel := context.WithTimeout(ctx, frontLimit)
	defer cancel()
	for ctx.Err() == nil {
		for _, to := range e.c.candidates(e.c.connections().to) {
			if !e.ways.pace(ctx) {
				return nil
			}
			c, err := openDoor(ctx, e.c.tls.Clone(), to, DoorDashboard)
			if err == nil {
				return c
			}
			e.log.Debug("a server does not open the dashboard's door", "server", to, "err", err)
		}
		rest(ctx, holdPause)
	}
	return nil
}
