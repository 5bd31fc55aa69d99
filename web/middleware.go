package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"

	"paas/server"
)

const (
	// policy lets a page use what comes from this host and nothing else
	// (RELIABILITY §4). Pages that need more say so in their own header.
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
		"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
	requestTimeout = 30 * time.Second
	// waitTimeout is for what waits for the app's rollout slot.
	waitTimeout = 20 * time.Minute
	maxForm     = 2 << 20 // bytes of a form
	// maxOpenForm is for who is not signed in: anybody may send as many as there are connections.
	maxOpenForm = 64 << 10
)

// outermost gives every answer its headers, refuses other sites' requests and
// turns a panic into a 500.
func (s *Server) outermost(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	zip := chimw.Compress(5, "text/html", "text/css", "text/javascript", "application/json", "image/svg+xml")(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "private, no-store")
		if s.secure {
			h.Set("Strict-Transport-Security", "max-age=63072000")
		}
		ww := chimw.NewWrapResponseWriter(w, r.ProtoMajor)
		defer s.recover(ww, r)
		if err := cross.Check(r); err != nil || otherSites(r) {
			s.fail(ww, r, server.Errorf(server.ErrForbidden, "The request came from another site and was refused. Nothing was changed."))
			return
		}
		zip.ServeHTTP(ww, r)
	})
}

// otherSites says that a page of another site asks for something of ours to
// use there: only to follow a link is that for. A page of an app below the
// same domain is of the same site, and its requests carry our cookies.
func otherSites(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-site", "cross-site":
		dest := r.Header.Get("Sec-Fetch-Dest")
		return r.Header.Get("Sec-Fetch-Mode") != "navigate" || dest != "" && dest != "document"
	}
	return false
}

func (s *Server) recover(w chimw.WrapResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	s.log.Error("panic while making a page", "path", chi.RouteContext(r.Context()).RoutePattern(), "err", p, "stack", string(debug.Stack()))
	if w.Status() != 0 {
		panic(http.ErrAbortHandler)
	}
	s.fail(w, r, fmt.Errorf("panic: %v", p))
}

// handler makes one answer of the dashboard; its error becomes a page.
type handler func(v *visit) error

// open is a page for whoever comes.
func (s *Server) open(h handler) http.HandlerFunc {
	answer := s.bounded(h, requestTimeout)
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxOpenForm)
		answer(w, r)
	}
}

// page is for who is signed in: signedIn came before it.
func (s *Server) page(h handler) http.HandlerFunc { return s.bounded(h, requestTimeout) }

// patient is a page that may wait for another rollout of the app to end.
func (s *Server) patient(h handler) http.HandlerFunc { return s.bounded(h, waitTimeout) }

func (s *Server) bounded(h handler, limit time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, done := context.WithTimeout(r.Context(), limit)
		defer done()
		s.answer(w, r.WithContext(ctx), h)
	}
}

// stream has no bound but the browser's patience and the server's end.
func (s *Server) stream(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, done := context.WithCancel(r.Context())
		defer done()
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			select {
			case <-s.stopping:
				done()
			case <-ctx.Done():
			}
		}()
		s.answer(w, r.WithContext(ctx), h)
		done()
		<-stop
	}
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, h handler) {
	v := &visit{s: s, w: w, r: r, who: whoOf(r.Context()), here: hereOf(r.Context())}
	if err := h(v); err != nil {
		s.fail(w, r, err)
	}
}

func notFound(*visit) error {
	return server.Errorf(server.ErrNotFound, "There is no such page.")
}
