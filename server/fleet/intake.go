package fleet

import (
	"context"
	"net/http"
	"slices"
	"time"

	"paas/scheduler/agent"
	"paas/server"
)

var errNotYet = &server.Error{ID: server.ErrUnavailable, Message: "The control plane has just begun and does not know yet what this host runs."}

// done is the answer when there is nothing to say.
type done struct{}

// beat takes a sign of life, and tells the host of the servers when they are
// others than it knows.
func (s *term) beat(w http.ResponseWriter, r *http.Request, host string) {
	var b hostBeat
	err := read(w, r, maxBeat, &b)
	if err == nil {
		s.control.Beat(host, b.Beat)
	}
	s.answer(w, r, s.leads(b.Servers), err)
}

func (s *term) report(w http.ResponseWriter, r *http.Request, host string) {
	var list few[agent.Status]
	err := read(w, r, maxBody, &list)
	if err == nil && len(list) > maxStatuses {
		err = server.Errorf(server.ErrTooLarge, "A report has at most %d statuses.", maxStatuses)
	}
	if err == nil {
		ctx, cancel := s.whileLeading(r)
		defer cancel()
		ctx, done := context.WithTimeout(ctx, bodyLimit)
		defer done()
		err = s.control.Report(ctx, host, plainStatuses(newest(list)))
	}
	s.answer(w, r, done{}, err)
}

// logs takes lines. Those of a batch that comes again are taken from where the
// log ends.
func (s *term) logs(w http.ResponseWriter, r *http.Request, host string) {
	var b logBatch
	err := read(w, r, maxBody, &b)
	if err == nil && !s.known.ready(host) {
		err = errNotYet
	}
	if err == nil {
		if lines := s.own(host, b); len(lines) > 0 {
			s.control.Log(lines)
		}
	}
	s.answer(w, r, done{}, err)
}

// own gives the lines of the host's own instances; others are dropped.
func (s *term) own(host string, b logBatch) []agent.Line {
	cursors := map[string]time.Time{}
	lines := make([]agent.Line, 0, len(b.Lines))
	for _, l := range b.Lines {
		o, ok := s.known.find(host, l.Instance)
		if !ok {
			continue
		}
		if b.Again {
			if _, asked := cursors[l.Instance]; !asked {
				cursors[l.Instance] = s.control.LogCursor(l.Instance)
			}
			if !l.At.After(cursors[l.Instance]) {
				continue
			}
		}
		lines = append(lines, agent.Line{AppID: o.appID, Instance: l.Instance, Name: o.name, At: l.At, Text: string(l.Text), Platform: l.Platform})
	}
	return lines
}

func (s *term) cursor(w http.ResponseWriter, r *http.Request, host string) {
	id := r.URL.Query().Get("instance")
	if !s.known.ready(host) {
		s.answer(w, r, nil, errNotYet)
		return
	}
	var at time.Time
	if _, ok := s.known.find(host, id); ok {
		at = s.control.LogCursor(id)
	}
	s.answer(w, r, at, nil)
}

func (s *term) usage(w http.ResponseWriter, r *http.Request, host string) {
	var b usageBatch
	err := read(w, r, maxBody, &b)
	if err == nil && timely(b.At, time.Now()) {
		b.Usage = slices.DeleteFunc(b.Usage, func(u agent.Usage) bool {
			o, ok := s.known.find(host, u.Instance)
			return !ok || o.appID != u.AppID || o.name != u.Name
		})
		s.control.Usage(host, b.At, b.Usage)
	}
	s.answer(w, r, done{}, err)
}
