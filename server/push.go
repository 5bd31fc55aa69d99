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

// Push deploys a commit and copies what happens to out. It returns nil when
// the release is live and the branch has moved. The deploy does not depend on
// ctx: when the pusher is gone, it goes on.
func (s *Service) Push(ctx context.Context, p Push, out io.Writer) error {
	d, err := s.store.CreateDeploy(ctx, Deploy{ID: uuid.NewString(), AppID: p.AppID, Kind: KindPush, UserID: p.UserID,
		Ref: p.Ref, Old: p.Old, Commit: p.Commit, Description: "Deploy " + p.Commit[:8]}, nil)
	if err != nil {
		return err
	}
	if n, err := s.store.Ahead(ctx, d.ID); err == nil && n > 0 {
		fmt.Fprintf(out, "-----> Waiting for a build slot (%d ahead of you)\n", n)
	}
	d, err = s.pipeline.follow(ctx, d, out)
	if err != nil {
		return err
	}
	switch d.State {
	case DeployLive:
		return nil
	case DeploySuperseded:
		fmt.Fprintln(out, " !     A newer push took this one's place in the queue; this one was not deployed.")
		return Errorf(ErrConflict, "superseded by a newer push")
	case DeployCancelled:
		return Errorf(ErrConflict, "cancelled")
	}
	return Errorf(ErrInvalid, "deploy failed while %s", d.Stage)
}

// follow copies a deploy's output until it has ended. A worker of this process
// lends its buffer; else it is read from the store.
func (p *Pipeline) follow(ctx context.Context, d Deploy, out io.Writer) (Deploy, error) {
	wake, stop := p.bell.Listen(DeployTopic(d.ID))
	defer stop()
	offset := 0
	for {
		if o := p.outputs.get(d.ID); o != nil {
			n, err := o.copyTo(ctx, out, offset)
			if err != nil {
				return d, err
			}
			offset = n
		}
		now, err := p.store.Deploy(ctx, d.AppID, d.ID)
		if err != nil {
			return d, err
		}
		if now.State.Final() && (now.State != DeployLive || now.Kind != KindPush || now.RefMoved) && p.outputs.get(d.ID) == nil {
			return now, p.rest(ctx, d.ID, out, offset)
		}
		select {
		case <-wake:
		case <-time.After(time.Second): // notices may be lost with a connection
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}

// rest copies from the store what the buffer did not have.
func (p *Pipeline) rest(ctx context.Context, id string, out io.Writer, offset int) error {
	all, err := p.store.Output(ctx, id)
	if err != nil {
		return err
	}
	if offset < len(all) {
		_, err = out.Write(all[offset:])
	}
	return err
}

// IsGone says that an error only means that nobody waits for the answer.
func IsGone(err error) bool { return errors.Is(err, context.Canceled) }
