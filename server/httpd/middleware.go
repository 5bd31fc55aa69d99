package httpd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"

	"paas/server"
	"paas/server/api"
)

type requestIDKey struct{}

func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}

// routeOf is the pattern a request matched, without what it was filled with:
// a path may hold the token of a log session.
func routeOf(r *http.Request) string {
	if c := chi.RouteContext(r.Context()); c != nil {
		return c.RoutePattern()
	}
	return ""
}

// uuid is a random (version 4) UUID.
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// outermost gives each request its id and the headers of every answer, and
// turns a panic into a 500.
func (s *Server) outermost(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id := uuid()
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		h := w.Header()
		h.Set(api.HeaderRequestID, id)
		h.Set("Cache-Control", "private, no-cache")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Add("Vary", "Accept, Accept-Encoding, Authorization")
		ww := chimw.NewWrapResponseWriter(w, r.ProtoMajor)
		defer s.logRequest(r, ww, began)
		defer s.recover(ww, r)
		if err := cross.Check(r); err != nil {
			writeError(ww, server.Errorf(server.ErrForbidden, "Cross-origin requests of browsers are refused. Nothing was changed."))
			return
		}
		if err := acceptable(r.Header.Get("Accept")); err != nil {
			s.fail(ww, r, err)
			return
		}
		next.ServeHTTP(ww, r)
	})
}

func (s *Server) recover(w chimw.WrapResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p) // cuts the connection, as the handler wanted
	}
	if w.Status() != 0 {
		s.log.Error("panic while answering", "request", requestID(r), "path", routeOf(r), "err", p, "stack", string(debug.Stack()))
		panic(http.ErrAbortHandler)
	}
	s.fail(w, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
}

func (s *Server) logRequest(r *http.Request, w chimw.WrapResponseWriter, began time.Time) {
	s.log.Debug("request", "request", requestID(r), "method", r.Method, "path", routeOf(r),
		"status", w.Status(), "bytes", w.BytesWritten(), "took", time.Since(began).Round(time.Microsecond))
}

// acceptable refuses only what asks for another version of Heroku's API.
func acceptable(accept string) error {
	_, rest, found := strings.Cut(accept, "application/vnd.heroku+json")
	if !found {
		return nil
	}
	rest, _, _ = strings.Cut(rest, ",")
	for p := range strings.SplitSeq(rest, ";") {
		v, ok := strings.CutPrefix(strings.TrimSpace(p), "version=")
		if ok && v != "3" && !strings.HasPrefix(v, "3.") {
			return server.Errorf(errNotAcceptable, "Only version 3 of the API is served: send %q in the Accept header.", api.ContentType)
		}
	}
	return nil
}

// extend gives the client the usual time for what is written next.
func extend(w http.ResponseWriter) {
	// Not supported by recorders in tests, and then without effect.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
}
