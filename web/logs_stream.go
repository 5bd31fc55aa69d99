package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"paas/server"
)

// logEvery is how often new lines are sent at most, all of that time at once.
const logEvery = 60 * time.Millisecond

// logStream sends new lines as they come, from behind the line that the page
// had last: as event "lines", one JSON object each, whose id is the cursor
// behind the newest. "gap" says that lines were left out, "end" that no more
// will come and why.
func (s *Server) logStream(v *visit) error {
	now := time.Now()
	f := logFilterOf(v.r.URL.Query())
	if !f.live() {
		return server.Errorf(server.ErrInvalid, "What ended in the past has no new lines: ask without until and at.")
	}
	q, err := f.query(now)
	if err != nil {
		return err
	}
	q.Tail = true
	from := resume{q: q}
	if c, ok := parseCursor(cmp.Or(v.r.Header.Get("Last-Event-ID"), v.query("after"))); ok {
		if from, err = s.resumeAt(v, q, c, now); err != nil {
			return err
		}
	}
	e, err := v.events()
	if err != nil {
		return nil // the browser has gone
	}
	out := &logEvents{events: e}
	if err := out.gap(from); err != nil {
		return nil
	}
	s.sendLog(v, out, from, newLogView(f.Raw, now))
	return nil
}

// sendLog sends until the browser goes or there is no more to send.
func (s *Server) sendLog(v *visit, out *logEvents, from resume, view logView) {
	ctx, done := context.WithCancel(v.ctx())
	defer done()
	var beat sync.WaitGroup
	beat.Go(func() { out.beat(ctx) })
	marks := cursors{last: from.behind}
	pump := server.PumpLog(ctx, server.LogSink{Pause: logEvery, Write: out.lines, Encode: func(dst []byte, l server.LogLine) []byte {
		dst = view.line(l).appendJSON(append(dst, "data: "...))
		return append(append(append(dst, "\nid: "...), marks.pass(l).String()...), '\n')
	}})
	err := from.read(ctx, s, v.actor(), v.app().ID, &marks, pump.Line)
	sent := pump.End()
	done()
	beat.Wait()
	var told *server.Error
	switch {
	case sent != nil || v.ctx().Err() != nil: // the browser comes back by itself
	case errors.As(err, &told):
		_ = out.send("end", "", quoted(told.Message))
	case err == nil:
		_ = out.send("end", "", quoted("The log has ended: the app is gone."))
	default:
		s.log.Warn("a log stream broke", "app", v.app().Name, "err", err)
	}
}

// quoted is text as JSON.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil { // a string has none
		return `""`
	}
	return string(b)
}

// logEvents writes a log's events; its methods may be called at once.
type logEvents struct {
	*events
	mu sync.Mutex
}

// lines sends what the pump has gathered: the fields of one event.
func (e *logEvents) lines(batch []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = e.rc.SetWriteDeadline(time.Now().Add(writeLimit))
	if _, err := e.w.Write(append(batch, "event: lines\n\n"...)); err != nil {
		return err
	}
	return e.rc.Flush()
}

func (e *logEvents) gap(r resume) error {
	switch {
	case r.unknown:
		return e.send("gap", "", "-1")
	case r.leave > 0:
		return e.send("gap", "", strconv.Itoa(r.leave))
	}
	return nil
}

// beat keeps a quiet stream from being taken for dead.
func (e *logEvents) beat(ctx context.Context) {
	tick := time.NewTicker(livePing)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		e.mu.Lock()
		err := e.send("ping", "", "")
		e.mu.Unlock()
		if err != nil {
			return
		}
	}
}
