package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
)

// Push is a commit that arrived: its objects are in the app's repository.
type Push struct {
	AppID, UserID    string
	Ref, Old, Commit string
}

// diskLimit is the use of the data's file system, in percent, from which on
// pushes are refused: what serves needs the rest.
const diskLimit = 95

// Ready refuses a push before its pack is taken.
func (s *Service) Ready(context.Context) error {
	used, err := s.cfg.DiskUsed()
	if err == nil && used >= diskLimit {
		return &Error{ID: ErrUnavailable, Message: fmt.Sprintf("The platform's storage is %d %% full and takes no pushes from %d %% on. Nothing was changed.", used, diskLimit),
			Next: "Ask the operator to run: paas doctor"}
	}
	return nil
}

// Repository finds the app whose repository someone wants to read from, or
// push to.
func (s *Service) Repository(ctx context.Context, actor Actor, ident string, write bool) (App, error) {
	if write {
		return s.app(ctx, actor, ident, PermDeploy)
	}
	return s.appToRead(ctx, actor, ident, PermDeploy)
}

// Push deploys a commit and copies what happens to out. It returns nil when
// the release is live and the branch has moved. The deploy does not depend on
// ctx: when the pusher is gone, it goes on.
func (s *Service) Push(ctx context.Context, p Push, out io.Writer) error {
	d, err := s.queue(ctx, Deploy{AppID: p.AppID, Kind: KindPush, UserID: p.UserID,
		Ref: p.Ref, Old: p.Old, Commit: p.Commit, Subject: s.subject(ctx, p), Description: "Deploy " + p.Commit[:8]}, nil)
	if err != nil {
		return err
	}
	if n, err := s.store.Ahead(ctx, d.ID); err == nil && n > 0 {
		fmt.Fprintf(out, "-----> Waiting for a build slot (%d ahead of you)\n", n)
	}
	d, err = s.pipeline.follow(ctx, d, out)
	if IsTransient(err) {
		// It was queued, so it may well go live: nothing else may be said.
		return &Error{ID: ErrUnavailable, Message: "The database is away; the deploy goes on when it is back, without this connection.",
			Next: "See how it ends: paas deploys -a " + d.App}
	}
	if err != nil {
		return err
	}
	switch d.State {
	case DeployLive:
		return nil
	case DeploySuperseded:
		fmt.Fprintln(out, " !     A newer push took this one's place in the queue; this one was not deployed.")
		return &Error{ID: ErrConflict, Message: "superseded by a newer push", Told: true}
	case DeployCancelled:
		return &Error{ID: ErrConflict, Message: "cancelled", Told: true}
	}
	return &Error{ID: ErrInvalid, Message: "deploy failed while " + string(d.Stage), Told: true}
}

// queue writes a deploy's row. Its id is chosen here, so that asking again
// after a lost answer makes no second one.
func (s *Service) queue(ctx context.Context, d Deploy, patch []byte) (Deploy, error) {
	if d.ID == "" {
		d.ID = uuid.NewString()
	}
	var out Deploy
	err := Patiently(ctx, patience, func() (err error) { out, err = s.store.CreateDeploy(ctx, d, patch); return err })
	return out, err
}

// patience is how long an absence of the database is waited out.
const patience = 30 * time.Second

// follow copies a deploy's output until it has ended. A worker of this process
// lends its buffer; else it is read from the store.
func (p *Pipeline) follow(ctx context.Context, d Deploy, out io.Writer) (Deploy, error) {
	wake, stop := p.bell.Listen(DeployTopic(d.ID))
	defer stop()
	offset := 0
	for {
		here := false
		if o := p.outputs.get(d.ID); o != nil {
			n, err := o.copyTo(ctx, out, offset)
			if err != nil {
				return d, err
			}
			offset, here = n, o.isWhole()
		} else if n, err := p.copyStored(ctx, d.ID, out, offset); err == nil {
			offset = n // what another server works on; an error is told by what follows
		}
		var now Deploy
		err := Patiently(ctx, patience, func() (err error) { now, err = p.store.Deploy(ctx, d.AppID, d.ID); return err })
		switch {
		case IsID(err, ErrNotFound):
			return d, Errorf(ErrNotFound, "The app was destroyed while it was deployed.")
		case err != nil:
			return d, err
		}
		// All is said when nobody holds it any more; of a worker here it is known before that.
		if now.over() && p.outputs.get(d.ID) == nil && (here || !now.Held) {
			return now, p.rest(ctx, d.ID, out, offset)
		}
		select {
		case <-wake:
		case <-time.After(followEvery): // what is said elsewhere is not told of; notices may be lost
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}

// followEvery is how often is looked what a worker on another server says.
const followEvery = 300 * time.Millisecond

// copyStored writes what the store has behind offset, and gives the new one.
func (p *Pipeline) copyStored(ctx context.Context, id string, out io.Writer, offset int) (int, error) {
	text, err := p.store.OutputSince(ctx, id, offset)
	if err != nil {
		return offset, err
	}
	n, err := out.Write(text)
	return offset + n, err
}

// rest copies from the store what the buffer did not have.
func (p *Pipeline) rest(ctx context.Context, id string, out io.Writer, offset int) error {
	var text []byte
	err := Patiently(ctx, patience, func() (err error) { text, err = p.store.OutputSince(ctx, id, offset); return err })
	if err == nil && len(text) > 0 {
		_, err = out.Write(text)
	}
	return err
}

// IsGone says that an error only means that nobody waits for the answer.
func IsGone(err error) bool { return errors.Is(err, context.Canceled) }
