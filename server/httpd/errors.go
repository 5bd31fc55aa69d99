package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"paas/server"
	"paas/server/api"
)

// Error ids of HTTP itself, beside those of the platform.
const (
	errBadRequest    server.ErrID = "bad_request"
	errMethod        server.ErrID = "method_not_allowed"
	errNotAcceptable server.ErrID = "not_acceptable"
	errRange         server.ErrID = "requested_range_not_satisfiable"
	errInternal      server.ErrID = "internal_server_error"
)

func status(id server.ErrID) int {
	switch id {
	case errBadRequest:
		return http.StatusBadRequest
	case errMethod:
		return http.StatusMethodNotAllowed
	case errNotAcceptable:
		return http.StatusNotAcceptable
	case errRange:
		return http.StatusRequestedRangeNotSatisfiable
	}
	return id.Status()
}

// fail answers with an error. What was not made for people is logged here,
// once, and shown as the platform's fault with nothing of its inside.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *server.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		e = server.Errorf(server.ErrUnavailable, "The request was given up before it was done.")
	case errors.Is(err, context.DeadlineExceeded):
		s.log.Warn("request took too long", "request", requestID(r), "path", routeOf(r), "err", err)
		e = server.Errorf(server.ErrUnavailable, "The platform did not answer in time (request %s). %s", requestID(r), unknownEffect(r))
	default:
		s.log.Error("request failed", "request", requestID(r), "method", r.Method, "path", routeOf(r), "err", err)
		e = server.Errorf(errInternal, "The platform failed (request %s). %s", requestID(r), unknownEffect(r))
		e.Next = "The operator finds the cause under that request in the server's log."
	}
	writeError(w, e)
}

func unknownEffect(r *http.Request) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return "Nothing was changed."
	}
	return "It is not known whether the change was made: look before you repeat it."
}

func writeError(w http.ResponseWriter, e *server.Error) {
	body, err := json.Marshal(api.Error{ID: string(e.ID), Message: e.Message, Next: e.Next})
	if err != nil { // strings always marshal
		body = []byte(`{"id":"internal_server_error","message":"","url":""}`)
	}
	code := status(e.ID)
	if code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="paas"`)
	}
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	h := w.Header()
	if code == http.StatusTooManyRequests {
		h.Set("Retry-After", "60")
	}
	h.Set("Content-Type", api.ContentType)
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	h.Del("Etag")
	extend(w)
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // the client is gone: nobody to tell
}
