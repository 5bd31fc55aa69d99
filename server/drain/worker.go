package drain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"paas/server"
)

const (
	logplex     = "logplex" // the dyno in whose name the log speaks of itself
	batchLines  = 1000
	batchBytes  = 256 << 10
	complainGap = time.Minute // between two lines about the same drain
)

// link is a way to a collector.
type link interface {
	// send hands lines over and says how many of them need not be sent again.
	send(ctx context.Context, lines []server.LogLine) (int, error)
	close()
}

// rejectedError says that the collector does not want these lines, now or later.
type rejectedError struct{ status string }

func (e *rejectedError) Error() string { return "the collector answered " + e.status }

// worker serves one drain.
type worker struct {
	s       *Sender
	d       server.Drain
	q       *queue
	link    link
	ctx     context.Context
	end     context.CancelCauseFunc
	follows chan struct{} // closed when the app's lines come in
	told    time.Time     // when the app's log was last told of trouble
}

func newWorker(ctx context.Context, s *Sender, d server.Drain, u server.DrainURL) *worker {
	w := &worker{s: s, d: d, q: newQueue(s.cfg.MaxLines, s.cfg.MaxBytes, s.room), follows: make(chan struct{})}
	w.ctx, w.end = context.WithCancelCause(ctx)
	if u.Kind == server.DrainHTTPS {
		w.link = newPoster(&s.cfg, u, d.Token)
	} else {
		w.link = &wire{cfg: &s.cfg, u: u, token: d.Token}
	}
	return w
}

// run follows and sends until the drain is removed or the platform stops.
func (w *worker) run() {
	defer w.end(nil)
	// The log is followed a little longer than the platform runs: what was said
	// last is not in the queue yet.
	feeding, enough := context.WithCancel(context.WithoutCancel(w.ctx))
	var feeder sync.WaitGroup
	feeder.Go(func() { w.feed(feeding) })
	defer w.q.close()
	defer feeder.Wait()
	defer enough()
	defer w.link.close()
	var batch []server.LogLine
	for {
		var err error
		if batch, err = w.q.take(w.ctx, batch, batchLines, batchBytes); err != nil {
			break
		}
		batch = w.deliver(w.ctx, batch)
		if len(batch) > 0 { // the platform stops, or the drain is removed
			w.linger(batch)
			return
		}
	}
	w.linger(nil)
}

// feed follows the app's log into the queue.
func (w *worker) feed(ctx context.Context) {
	joined := sync.OnceFunc(func() { close(w.follows) })
	defer joined()
	q := server.LogQuery{AppID: w.d.AppID, Lines: -1, Tail: true, Joined: joined}
	for ctx.Err() == nil {
		err := w.s.logs.Read(ctx, q, func(l server.LogLine) error {
			if !w.aboutMe(l) {
				w.q.add(l)
			}
			return nil
		})
		if err == nil || ctx.Err() != nil {
			return // the app is gone, and with it soon the drain
		}
		w.s.log.Warn("follow the log for a drain", "app", w.d.App, "drain", w.d.Token, "err", err)
		w.pause(ctx, w.s.cfg.MinPause)
	}
}

// aboutMe says whether a line tells of trouble with this drain: sent there it
// would make more of it.
func (w *worker) aboutMe(l server.LogLine) bool {
	return l.Dyno == logplex && l.Source == "paas" && strings.Contains(l.Text, w.d.Token)
}

// deliver sends a batch, again and again with growing pauses. What it gives
// back could not be sent before ctx ended.
func (w *worker) deliver(ctx context.Context, batch []server.LogLine) []server.LogLine {
	pause, began := w.s.cfg.MinPause, time.Now()
	for len(batch) > 0 {
		n, err := w.link.send(ctx, batch)
		batch = batch[n:]
		if ctx.Err() != nil {
			return batch
		}
		if n > 0 {
			pause, began = w.s.cfg.MinPause, time.Now()
		}
		if err == nil {
			continue
		}
		var no *rejectedError
		if errors.As(err, &no) || time.Since(began) > w.s.cfg.GiveUp {
			w.q.losing(len(batch), batch[0].At)
			w.complain(err)
			return nil
		}
		w.complain(err)
		w.pause(ctx, pause)
		pause = min(2*pause, w.s.cfg.MaxPause)
	}
	return nil
}

// pause waits for about d: drains that failed together do not come back together.
func (w *worker) pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d/2 + rand.N(d/2+1)):
	case <-ctx.Done():
	}
}

// linger sends what still waits when the platform stops, once, until no more
// comes.
func (w *worker) linger(rest []server.LogLine) {
	const quiet = 100 * time.Millisecond
	if errors.Is(context.Cause(w.ctx), errRemoved) {
		return
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(w.ctx), w.s.cfg.Linger)
	defer done()
	for {
		for len(rest) > 0 {
			n, err := w.link.send(ctx, rest)
			if rest = rest[n:]; err != nil || ctx.Err() != nil {
				w.s.log.Warn("lines of a log drain not sent before the stop", "app", w.d.App, "drain", w.d.Token,
					"lines", len(rest)+w.q.waiting(), "err", reason(err))
				return
			}
		}
		wait, stop := context.WithTimeout(ctx, quiet)
		next, err := w.q.take(wait, nil, batchLines, batchBytes)
		stop()
		if err != nil {
			return
		}
		rest = next
	}
}

// complain tells the app's log, now and then, what is wrong with its drain.
func (w *worker) complain(err error) {
	if time.Since(w.told) < complainGap {
		return
	}
	w.told = time.Now()
	say := func(text string) {
		w.s.logs.Append(server.LogLine{AppID: w.d.AppID, At: time.Now().UTC(), Source: "paas", Dyno: logplex, Text: text})
	}
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		say(fmt.Sprintf("Error L14 (certificate validation): drain %s: %v", w.d.Token, cert.Err))
	} else {
		say(fmt.Sprintf("Error with drain %s (%s): %s", w.d.Token, server.MaskDrainURL(w.d.URL), reason(err)))
	}
	if n, since := w.q.losses(); n > 0 {
		w.s.logs.Append(overflow(w.d.AppID, w.d.Token, n, since))
	}
}
