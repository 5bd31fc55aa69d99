package server

import (
	"errors"
	"fmt"
)

// ErrID is the machine-readable id of an error, as Heroku's API uses them.
type ErrID string

// The error ids. httpd maps each to one status code.
const (
	ErrNotFound     ErrID = "not_found"           // 404
	ErrUnauthorized ErrID = "unauthorized"        // 401
	ErrForbidden    ErrID = "forbidden"           // 403
	ErrInvalid      ErrID = "invalid_params"      // 422
	ErrConflict     ErrID = "conflict"            // 409
	ErrTooLarge     ErrID = "too_large"           // 413
	ErrUnavailable  ErrID = "service_unavailable" // 503
)

// Error is an error made for people: step and cause in Message, and what to
// type next. Whatever is not an *Error is the platform's fault and shown as such.
type Error struct {
	ID      ErrID
	Message string // what happened and what was not changed
	Next    string // the command to go on with; may be empty
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

// IsID reports whether err is an *Error with that id.
func IsID(err error, id ErrID) bool {
	var e *Error
	return errors.As(err, &e) && e.ID == id
}
