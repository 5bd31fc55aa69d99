package gitd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"paas/server"
)

// internalError is all a pusher is told of a fault of ours; the log has the rest.
const internalError = "internal error, nothing was changed; try again, then ask whoever runs this server"

// reception is one git push, from the list of refs to the report.
type reception struct {
	s    *Server
	in   io.Reader
	out  io.Writer
	wait *sync.WaitGroup // of what may outlive the reception and ends with the channel
	hang func()          // hangs up

	by    Identity
	app   string
	appID string
	repo  string

	req     pushRequest
	band    *sideband
	show    *progress
	results map[string]string // by ref; "" is taken
	unpack  string            // why the pack was refused
	rest    <-chan struct{}   // closed when a refused pack has been read away
}

// receive serves git-receive-pack. A ref never moves here: Push ends when the
// release is live, and whoever made it so moves the branch.
func (r *reception) receive(ctx context.Context) (err error) {
	if err := advertise(r.out, r.repo); err != nil {
		return errors.Join(err, refuse(r.out, internalError))
	}
	r.req, err = readPushRequest(&stallReader{r.in, r.s.cfg.AskTimeout, r.hang})
	if err != nil {
		return errors.Join(err, refuse(r.out, plain(err)))
	}
	if len(r.req.updates) == 0 {
		return nil // up to date
	}
	r.band = &sideband{out: r.out, on: r.req.sideband, last: time.Now()}
	r.show = newProgress(ctx, r.band, r.s.cfg.KeepAlive)
	deploy, refused := choose(r.req.updates)
	r.results = refused
	r.tell(refused)
	if deploy == nil {
		r.skip()
	} else if err := r.deploy(ctx, *deploy); err != nil {
		r.results[deploy.ref] = r.explain(ctx, err)
	}
	r.show.close()
	err = r.report()
	r.linger(ctx)
	return err
}

// tell says of every refused ref what to type instead, in the order it came.
func (r *reception) tell(refused map[string]string) {
	for _, u := range r.req.updates {
		if why, ok := refused[u.ref]; ok {
			r.show.say(" !     %s: %s", strings.TrimPrefix(u.ref, "refs/heads/"), why)
		}
	}
}

// skip reads a pack away that nobody asked for.
func (r *reception) skip() {
	if !slices.ContainsFunc(r.req.updates, func(u refUpdate) bool { return u.new != zeroID }) {
		return // nothing but deletions: no pack comes
	}
	rest := make(chan struct{})
	r.rest = rest
	r.wait.Go(func() {
		defer close(rest)
		drain(r.in)
	})
}

// linger lets a pusher whose pack was refused finish talking: cut off while it
// sends, git would never read the report.
func (r *reception) linger(ctx context.Context) {
	if r.rest == nil {
		return
	}
	limit := time.NewTimer(r.s.cfg.DrainTimeout)
	defer limit.Stop()
	select {
	case <-r.rest:
	case <-limit.C:
	case <-ctx.Done():
	}
}

// deploy takes the pack and hands the commit over.
func (r *reception) deploy(ctx context.Context, u refUpdate) error {
	if err := r.take(ctx, u.new); err != nil {
		r.unpack = "unpacker error"
		return err
	}
	r.s.log.Info("pack received", "app", r.app, "ref", u.ref, "commit", u.new, "by", r.by.Email)
	push := Push{AppID: r.appID, App: r.app, By: r.by, Ref: u.ref, Old: u.old, New: u.new}
	return r.s.pusher.Push(ctx, push, r.show)
}

// take stores the pack, whole and checked, or nothing at all.
func (r *reception) take(ctx context.Context, commit string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.s.cfg.PackTimeout,
		server.Errorf(server.ErrTooLarge, "the pack took longer than %s to arrive", r.s.cfg.PackTimeout))
	defer cancel()
	select {
	case r.s.packs <- struct{}{}:
		defer func() { <-r.s.packs }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	in, err := r.s.repos.quarantine(r.appID)
	if err != nil {
		return err
	}
	defer in.close()
	if err := in.bounds(ctx, r.req.shallow); err != nil {
		return err
	}
	if err := r.index(ctx, in); err != nil {
		return err
	}
	if err := in.settleBounds(ctx); err != nil {
		return err
	}
	if err := in.check(ctx, commit); err != nil {
		return err
	}
	return in.keep(ctx, commit)
}

// index reads the pack.
func (r *reception) index(ctx context.Context, in *incoming) error {
	var show io.Writer
	if !r.req.quiet {
		show = r.show
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var over atomic.Bool // the pack is in: from here on the pusher may be silent
	stalled := func() {
		if !over.Load() {
			cancel(fmt.Errorf("%w: no byte of the pack for %s", errGone, r.s.cfg.StallTimeout))
			r.hang()
		}
	}
	rest, err := in.index(ctx, &stallReader{r.in, r.s.cfg.StallTimeout, stalled}, r.s.cfg.MaxPack, show)
	over.Store(err == nil)
	r.wait.Go(func() { <-rest })
	if err != nil {
		r.rest = rest
	}
	return err
}

// explain is the door where an error becomes what the pusher reads: lines of
// the log and one line of reason.
func (r *reception) explain(ctx context.Context, err error) (reason string) {
	log := r.s.log.With("app", r.app, "by", r.by.Email, "err", err)
	var told *server.Error
	switch {
	case errors.Is(err, errGone), ctx.Err() != nil && !r.s.stopping():
		log.Info("pusher gone")
		return "connection lost"
	case errors.As(err, &told):
		log.Info("push refused")
		if !told.Told {
			r.complain(told.Message)
			r.complain(told.Next)
		}
		return told.Message
	case r.s.stopping():
		log.Info("push left to the next start")
		reason = "the server is stopping; a deploy that began goes on when it is back"
	default:
		log.Error("push")
		reason = internalError
	}
	r.complain(reason)
	return reason
}

func (r *reception) complain(text string) {
	for line := range strings.Lines(text) {
		r.show.say(" !     %s", strings.TrimRight(line, "\n"))
	}
}

func (r *reception) report() error {
	if r.req.reportStatus {
		lines, err := reportStatus(r.unpack, r.req.updates, r.results)
		if err != nil {
			return err
		}
		return r.band.report(lines)
	}
	if r.band.on {
		return r.band.flush()
	}
	return nil
}
