package server

import (
	"context"
	"sync"
	"time"
)

// joinedRead is one reading of an app's log at all servers.
type joinedRead struct {
	j       *JoinedLogs
	ctx     context.Context //nolint:containedctx // of one call
	work    *sync.WaitGroup
	q       LogQuery
	line    func(LogLine) error
	began   time.Time
	sources []*logSource
	known   map[string]*logSource // by server
	ring    []LogLine             // the newest, when there is a limit to keep to
	next    int
	before  LogLine // the last one that was merged

	following bool // what there was is read, and sources are of no use any more
}

// merge gives what all servers have in the order of its times, and the names of
// those that broke off.
func (r *joinedRead) merge() (gone []string, err error) {
	limited := r.q.Lines > 0 && r.q.Lines <= mergeLines && len(r.sources) > 1
	for {
		var first *logSource
		for _, s := range r.sources {
			if failed, err := r.fill(s); err != nil {
				return nil, err
			} else if failed && !s.told {
				s.told = true
				gone = append(gone, s.Name)
			}
			if s.head != nil && (first == nil || s.head.At.Before(first.head.At)) {
				first = s
			}
		}
		if first == nil {
			break
		}
		l := *first.head
		first.head, first.last = nil, l.At
		if same(l, r.before) {
			continue // two servers took it in
		}
		r.before = l
		if limited {
			r.keep(l)
		} else if err := r.line(l); err != nil {
			return nil, err
		}
	}
	for i := range r.ring {
		if err := r.line(r.ring[(r.next+i)%len(r.ring)]); err != nil {
			return nil, err
		}
	}
	r.ring = nil
	if r.q.Caught != nil {
		r.q.Caught()
	}
	return gone, nil
}

// same says whether two lines are one: an instance prints none at the same time
// as another.
func same(a, b LogLine) bool {
	return a.Instance != "" && a.Instance == b.Instance && a.At.Equal(b.At) && a.Text == b.Text
}

// keep keeps the newest q.Lines lines.
func (r *joinedRead) keep(l LogLine) {
	if len(r.ring) < r.q.Lines {
		r.ring = append(r.ring, l)
		return
	}
	r.ring[r.next] = l
	r.next = (r.next + 1) % len(r.ring)
}

// fill waits for the next of what a server has. A server that takes too long, or
// breaks off, has failed; an error is the reader's own.
func (r *joinedRead) fill(s *logSource) (failed bool, err error) {
	if s.head != nil || s.caught {
		return false, nil
	}
	late := time.NewTimer(mergeWait)
	defer late.Stop()
	select {
	case ev, ok := <-s.ch:
		switch {
		case ok && !ev.caught:
			s.head = &ev.line
			return false, nil
		case ok:
			s.caught = true
			return false, nil
		}
		s.caught, s.over = true, true
		if s.err != nil && s.ID == r.j.self {
			return false, s.err
		}
		return s.err != nil, r.ctx.Err()
	case <-late.C:
		s.caught = true
		return true, nil
	case <-r.ctx.Done():
		return false, r.ctx.Err()
	}
}

// arrival is what comes in while a log is followed; over: the server broke off.
type arrival struct {
	logEvent
	from *logSource
	over bool
}

// follow gives new lines as they come in, of servers that come meanwhile too.
func (r *joinedRead) follow() error {
	in := make(chan arrival)
	for _, s := range r.sources {
		r.listen(s, in)
	}
	r.following, r.sources = true, nil
	look := time.NewTicker(peersLook)
	defer look.Stop()
	for {
		select {
		case a := <-in:
			if done, err := r.arrived(a); done || err != nil {
				return err
			}
		case <-look.C:
			r.newcomers(in)
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

// listen passes on what a server says.
func (r *joinedRead) listen(s *logSource, in chan<- arrival) {
	r.work.Go(func() {
		for ev := range s.ch {
			select {
			case in <- arrival{from: s, logEvent: ev}:
			case <-r.ctx.Done():
				return
			}
		}
		select {
		case in <- arrival{from: s, over: true}:
		case <-r.ctx.Done():
		}
	})
}

// arrived takes one arrival; done when the app's log is no more.
func (r *joinedRead) arrived(a arrival) (done bool, err error) {
	s := a.from
	switch {
	case a.caught:
		s.told = false
		return false, nil
	case !a.over:
		s.last, s.told = a.line.At, false
		return false, r.line(a.line)
	case s.ID == r.j.self:
		return true, s.err
	}
	s.over, s.again = true, time.Now().Add(peerRetry)
	if s.err == nil || s.told {
		return false, nil // it was dropped there, or its lines were called missing before
	}
	s.told = true
	return false, r.mention([]string{s.Name})
}

// newcomers begins to read at servers that were not there before, or not well:
// what they have taken in since this began, or since they broke off.
func (r *joinedRead) newcomers(in chan<- arrival) {
	alive, _ := r.j.others()
	for _, e := range alive {
		q, was := r.q, r.known[e.ID]
		if was != nil && (!was.over || time.Now().Before(was.again)) {
			continue
		}
		q.Lines, q.Since = 0, later(q.Since, r.began.Add(-tailOverlap))
		if was != nil && !was.last.IsZero() {
			q.Since = later(q.Since, was.last.Add(time.Nanosecond))
		}
		r.open(e, q)
		s := r.known[e.ID]
		if was != nil {
			s.last, s.told = was.last, was.told
		}
		r.listen(s, in)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
