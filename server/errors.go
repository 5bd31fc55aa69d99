package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// ErrID is the machine-readable id of an error, as Heroku's API uses them.
type ErrID string

// The error ids; each has one status code of HTTP.
const (
	ErrNotFound     ErrID = "not_found"           // 404
	ErrUnauthorized ErrID = "unauthorized"        // 401
	ErrForbidden    ErrID = "forbidden"           // 403
	ErrInvalid      ErrID = "invalid_params"      // 422
	ErrConflict     ErrID = "conflict"            // 409
	ErrTooLarge     ErrID = "too_large"           // 413
	ErrRate         ErrID = "rate_limit"          // 429
	ErrUnavailable  ErrID = "service_unavailable" // 503
)

// Status is the status code of HTTP for the id, 500 for one that is not of
// those above.
func (id ErrID) Status() int {
	switch id {
	case ErrUnauthorized:
		return http.StatusUnauthorized
	case ErrForbidden:
		return http.StatusForbidden
	case ErrNotFound:
		return http.StatusNotFound
	case ErrConflict:
		return http.StatusConflict
	case ErrTooLarge:
		return http.StatusRequestEntityTooLarge
	case ErrInvalid:
		return http.StatusUnprocessableEntity
	case ErrRate:
		return http.StatusTooManyRequests
	case ErrUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Error is an error made for people: step and cause in Message, and what to
// type next. Whatever is not an *Error is the platform's fault and shown as such.
type Error struct {
	ID      ErrID
	Message string // what happened and what was not changed
	Next    string // the command to go on with; may be empty
	// Told says that the person has read it already, in the deploy's output.
	Told bool
	// Transient says that the cause goes by itself: the database is away.
	Transient bool
}

func (e *Error) Error() string {
	if e.Next != "" {
		return e.Message + "\n" + e.Next
	}
	return e.Message
}

// Errorf makes an *Error.
func Errorf(id ErrID, format string, args ...any) *Error {
	return &Error{ID: id, Message: fmt.Sprintf(format, args...)}
}

// IsTransient reports whether err is an *Error whose cause goes by itself.
func IsTransient(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Transient
}

// Patiently calls fn until it returns something else than a transient error,
// at most for limit: a restart of the database is not worth an error.
func Patiently(ctx context.Context, limit time.Duration, fn func() error) error {
	for deadline := time.Now().Add(limit); ; {
		err := fn()
		if !IsTransient(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// IsID reports whether err is an *Error with that id.
func IsID(err error, id ErrID) bool {
	var e *Error
	return errors.As(err, &e) && e.ID == id
}
