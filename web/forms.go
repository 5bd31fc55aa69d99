package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"paas/server"
)

// slip is a form that was refused for a reason which the person can mend: the
// page is shown again with what was typed. The zero value is none.
type slip struct {
	problem
	form  string
	typed url.Values
}

// slip tells errors that a person can mend from those that get a page of
// their own; for the latter the error is given back.
func (v *visit) slip(form string, err error) (slip, error) {
	var e *server.Error
	if !errors.As(err, &e) || !slices.Contains([]server.ErrID{server.ErrInvalid, server.ErrConflict, server.ErrNotFound, server.ErrForbidden, server.ErrUnavailable}, e.ID) {
		return slip{}, err
	}
	return slip{problem: problem{Status: e.ID.Status(), Message: e.Message, Next: e.Next}, form: form, typed: v.r.PostForm}, nil
}

// refuse makes a slip of what the dashboard itself does not accept.
func (v *visit) refuse(form, format string, args ...any) slip {
	s, _ := v.slip(form, server.Errorf(server.ErrInvalid, format, args...))
	return s
}

// In says whether it was that form.
func (s slip) In(form string) bool { return s.form != "" && s.form == form }

// Typed is what was typed into a field of that form, otherwise as it is.
func (s slip) Typed(form, field, otherwise string) string {
	if !s.In(form) || !s.typed.Has(field) {
		return otherwise
	}
	return s.typed.Get(field)
}

// Ticked is Typed for one of several boxes of the same name.
func (s slip) Ticked(form, field, value string, otherwise bool) bool {
	if !s.In(form) {
		return otherwise
	}
	return slices.Contains(s.typed[field], value)
}

// status of the page that shows it.
func (s slip) status() int {
	if s.form == "" {
		return http.StatusOK
	}
	return s.Status
}

// confirmed says whether the app's name was typed, which is asked before what
// nobody can take back.
func (v *visit) confirmed() bool { return v.field("confirm") == v.app().Name }
