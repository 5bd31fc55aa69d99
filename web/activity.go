package web

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Chronicle knows what happened, and who did it.
type Chronicle interface {
	Activity(ctx context.Context, actor server.Actor, app string, q server.ActivityQuery) ([]server.Activity, error)
	AppErrors(ctx context.Context, actor server.Actor, app string, hours int) ([]server.AppError, error)
	SearchAudit(ctx context.Context, actor server.Actor, q server.ActivityQuery) ([]server.AuditEntry, error)
	VerifyAudit(ctx context.Context, actor server.Actor, head string) (server.AuditState, error)
}

func (s *Server) activityRoutes(r chi.Router) {
	r.Get("/activity", s.page(s.activityPage))
	r.Get("/activity/errors", s.page(s.errorsPage))
}

const timelineLines = 100 // of activity and of the audit log

// moment is one line of a timeline.
type moment struct {
	At       time.Time
	Actor    string
	Platform bool // nobody did it
	Via      string
	From     string
	Did      string
	Text     string
	Link     string // the page of what it is about; may be empty
	App      string
	Kind     string
}

// day is the lines of one day, UTC.
type day struct {
	Date  string
	Lines []moment
}

func days(list []moment) []day {
	var all []day
	for _, m := range list {
		date := m.At.UTC().Format("Monday, 2 January 2006")
		if n := len(all); n == 0 || all[n-1].Date != date {
			all = append(all, day{Date: date})
		}
		all[len(all)-1].Lines = append(all[len(all)-1].Lines, m)
	}
	return all
}

// sift is the form above a timeline, and how to go on below it.
type sift struct {
	App, Person, Group string
	Groups             []kindGroup
	Before             bool   // not the newest
	Older              string // path of the next page; empty: there is none
	Newest             string
}

// filtered says that only some of the lines are asked for.
func (f sift) Filtered() bool { return f.App != "" || f.Person != "" || f.Group != "" }

// ask reads the query of a timeline's page; one line more than is shown tells
// whether there are older ones.
func (v *visit) ask() (server.ActivityQuery, sift) {
	f := sift{App: strings.TrimSpace(v.query("app")), Person: strings.TrimSpace(v.query("who")), Group: v.query("what"), Groups: kindGroups()}
	q := server.ActivityQuery{App: f.App, Person: f.Person, Max: timelineLines + 1}
	if i := slices.IndexFunc(f.Groups, func(g kindGroup) bool { return g.Name == f.Group }); i >= 0 {
		q.Kinds = f.Groups[i].Kinds
	} else {
		f.Group = ""
	}
	if n, err := strconv.ParseInt(v.query("before"), 10, 64); err == nil && n > 0 {
		q.Before, f.Before = n, true
	}
	f.Newest = v.r.URL.Path + f.queryString(0)
	return q, f
}

func (f sift) queryString(before int64) string {
	q := url.Values{}
	for name, value := range map[string]string{"app": f.App, "who": f.Person, "what": f.Group} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if before > 0 {
		q.Set("before", strconv.FormatInt(before, 10))
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

type activityData struct {
	Days   []day
	Sift   sift
	Origin bool // whether it is told from where
}

func (s *Server) activityPage(v *visit) error {
	q, f := v.ask()
	list, err := s.svc.Activity(v.ctx(), v.actor(), v.app().ID, q)
	if err != nil {
		return err
	}
	if len(list) > timelineLines {
		list = list[:timelineLines]
		f.Older = v.r.URL.Path + f.queryString(list[timelineLines-1].ID)
	}
	lines := make([]moment, len(list))
	for i, a := range list {
		m := moment{At: a.At, Actor: a.Actor, Platform: a.Actor == "paas", Via: a.Via, From: a.From, Kind: a.Kind, Did: phrase(a.Kind), Text: shortDigest(a.Text)}
		if a.Deploy != "" {
			m.Link = v.appPath("deploys", a.Deploy)
		}
		lines[i] = m
	}
	return v.show("activity", "activity", "Activity", activityData{Days: days(lines), Sift: f, Origin: v.may(server.PermManage)})
}

type errorsData struct {
	Errors []server.AppError
	Hours  int
	Spans  []errorSpan
}

type errorSpan struct {
	Hours int
	Text  string
}

// errorsPage counts the errors in the app's log. That reads the log, so it is
// a page of its own.
func (s *Server) errorsPage(v *visit) error {
	data := errorsData{Hours: 24, Spans: []errorSpan{{1, "1 h"}, {24, "24 h"}, {7 * 24, "7 days"}}}
	if n, err := strconv.Atoi(v.query("hours")); err == nil {
		data.Hours = n
	}
	var err error
	if data.Errors, err = s.svc.AppErrors(v.ctx(), v.actor(), v.app().ID, data.Hours); err != nil {
		return err
	}
	return v.show("errors", "activity", "Errors", data)
}
