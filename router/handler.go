package router

import (
	"context"
	"net"
	"net/http"
	"strings"
)

// guardKey finds the client's connection in a request's context. net/http
// offers no other way from a request to its connection.
type guardKey struct{}

func withGuard(ctx context.Context, c net.Conn) context.Context {
	if g, ok := c.(interface{ guard() *guardConn }); ok {
		return context.WithValue(ctx, guardKey{}, g.guard())
	}
	return ctx
}

// guardOf is nil for HTTP/2.
func guardOf(r *http.Request) *guardConn {
	g, _ := r.Context().Value(guardKey{}).(*guardConn)
	return g
}

// serveHTTP decides who answers a request: the platform, an instance of an
// app, or the router itself with a page.
func (r *Router) serveHTTP(w http.ResponseWriter, req *http.Request) {
	r.work.Add(1)
	defer r.work.Add(-1)
	id := requestID(req.Header)
	if f, ok := r.refuse(req); !ok {
		r.turnAway(w, req, f, nil, id)
		return
	}
	host, ok := normalHost(req.Host)
	if !ok {
		r.turnAway(w, req, badRequest("The Host header is not a host name."), nil, id)
		return
	}
	if r.misdirected(req, host) {
		r.turnAway(w, req, failureOf("H31"), nil, id)
		return
	}
	if r.cfg.Fallback != nil && host == r.cfg.PlatformHost {
		r.servePlatform(w, req, id)
		return
	}
	view := r.fleet.view.Load()
	rt := view.lookup(host)
	switch {
	case rt == nil && view.starting:
		r.turnAway(w, req, routerStarting(), nil, id)
		return
	case rt == nil:
		r.turnAway(w, req, r.cfg.noSuchApp(), nil, id)
		return
	}
	x := r.newExchange(w, req, rt, host, id)
	if code := rt.closed(); code != "" {
		x.turnAway(failureOf(code))
		return
	}
	x.forward()
}

// refuse says no to requests whose meaning two HTTP parsers could see
// differently, and to the methods that make a proxy of us.
func (r *Router) refuse(req *http.Request) (f failure, ok bool) {
	if g := guardOf(req); g != nil {
		g.served++
		coded, contradicts := g.heads.verdict(g.served)
		if coded {
			// What follows such a body on the connection is not read: a proxy in
			// front of us may take another view of where the body ends.
			g.final = true
		}
		if contradicts {
			return badRequest("The request has both Content-Length and Transfer-Encoding."), false
		}
		if coded && !req.ProtoAtLeast(1, 1) {
			return badRequest("HTTP/1.0 knows no Transfer-Encoding."), false
		}
	}
	switch {
	case req.Method == http.MethodConnect:
		return noMethod("This is not a forward proxy: CONNECT is refused."), false
	case req.URL.Opaque != "", req.URL.Path == "*" && req.Method != http.MethodOptions:
		return badRequest("The request target is not a path."), false
	case req.URL.Scheme != "" && req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return badRequest("The request target is not an HTTP URL."), false
	}
	return failure{}, true
}

// misdirected finds an HTTPS request for a host that neither its handshake nor
// the certificate was for. Browsers may share a connection between hosts of
// one certificate; anything else is a mistake or a trick.
func (r *Router) misdirected(req *http.Request, host string) bool {
	if req.TLS == nil || r.certs == nil || req.TLS.ServerName == "" {
		return false
	}
	asked, ok := normalHost(req.TLS.ServerName)
	return ok && asked != host && !r.certs.covers(strings.Trim(host, "[]"))
}

// servePlatform hands a request to the platform's own handler, with what a
// client must not claim taken out.
func (r *Router) servePlatform(w http.ResponseWriter, req *http.Request, id string) {
	stripForwarding(req.Header)
	req.Header.Set("X-Request-Id", id)
	if g := guardOf(req); g != nil && g.final {
		w.Header().Set("Connection", "close")
	}
	r.cfg.Fallback.ServeHTTP(w, req)
}

// turnAway answers with a page of the router itself. Whatever body the
// request has stays unread, so an HTTP/1 connection ends here.
func (r *Router) turnAway(w http.ResponseWriter, req *http.Request, f failure, rt *route, id string) {
	app, own := "", (*ownPage)(nil)
	if rt != nil {
		app, own = rt.app, rt.page(f)
	}
	g := guardOf(req)
	unread := g != nil && req.Body != nil && req.Body != http.NoBody
	if unread || g != nil && (g.final || req.Method == http.MethodConnect) {
		w.Header().Set("Connection", "close")
	}
	r.writePage(w, req, f, own, app, id)
	if unread {
		g.stopReading()
	}
}

// turnAway answers for an app that has nothing to answer with.
func (x *exchange) turnAway(f failure) {
	x.failed = f
	x.dog = newWatchdog(x.router.cfg.Limits.Idle, func() {})
	defer x.dog.stop()
	x.router.turnAway(x, x.in, f, x.route, x.requestID)
	x.log()
}
