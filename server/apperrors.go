package server

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"time"
)

// AppError is how often one of Heroku's error codes came up in an app's log.
type AppError struct {
	Code  string // H10, R14, L10, …
	Text  string // "App crashed"
	Count int
	Last  time.Time
	Dyno  string // of the last one; empty when no instance was concerned
}

const (
	maxErrorHours = 365 * 24
	maxErrorText  = 100
)

var (
	// errorLine is what lines of the router and of the platform about an error
	// begin with. Lines of apps are not asked: they could say anything.
	errorLine    = regexp.MustCompile(`^(at=error code=H|Error [RL])[0-9]{2}`)
	routerError  = regexp.MustCompile(`^at=error code=(H[0-9]{2}) desc="([^"]*)"`)
	routerDyno   = regexp.MustCompile(` dyno=([a-z0-9_.-]+)(?: |$)`)
	processError = regexp.MustCompile(`^Error ([RL][0-9]{2}) \(([^)]*)\)`)
)

// AppErrors counts the errors in the app's log of the last hours, by code.
func (s *Service) AppErrors(ctx context.Context, actor Actor, ident string, hours int) ([]AppError, error) {
	app, err := s.appToRead(ctx, actor, ident, PermView)
	if err != nil {
		return nil, err
	}
	if hours < 1 || hours > maxErrorHours {
		return nil, Errorf(ErrInvalid, "hours must be 1 to %d, not %d.", maxErrorHours, hours)
	}
	since := time.Now().Add(-time.Duration(hours) * time.Hour)
	byCode := map[string]*AppError{}
	err = s.logs.Read(ctx, LogQuery{AppID: app.ID, Source: "paas", Since: since, Pattern: errorLine}, func(l LogLine) error {
		if e, ok := parseAppError(l); ok && !l.At.Before(since) {
			count(byCode, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := make([]AppError, 0, len(byCode))
	for _, e := range byCode {
		list = append(list, *e)
	}
	slices.SortFunc(list, func(a, b AppError) int { return cmp.Compare(a.Code, b.Code) })
	return list, nil
}

func count(byCode map[string]*AppError, e AppError) {
	have := byCode[e.Code]
	if have == nil {
		e.Count = 1
		byCode[e.Code] = &e
		return
	}
	have.Count++
	if !e.Last.Before(have.Last) {
		have.Last, have.Dyno, have.Text = e.Last, e.Dyno, e.Text
	}
}

// parseAppError reads a line of the platform about an error.
func parseAppError(l LogLine) (AppError, bool) {
	e := AppError{Last: l.At}
	if l.Dyno == "router" {
		m := routerError.FindStringSubmatch(l.Text)
		if m == nil {
			return e, false
		}
		e.Code, e.Text = m[1], shorten(m[2], maxErrorText)
		// The path is before it and the client's: in it a blank is escaped.
		if d := routerDyno.FindStringSubmatch(l.Text); d != nil {
			e.Dyno = d[1]
		}
		return e, true
	}
	m := processError.FindStringSubmatch(l.Text)
	if m == nil {
		return e, false
	}
	e.Code, e.Text = m[1], shorten(m[2], maxErrorText)
	if strings.Contains(l.Dyno, ".") {
		e.Dyno = l.Dyno
	}
	return e, true
}
