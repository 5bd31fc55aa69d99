package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"paas/scheduler/agent"
)

// OpenRequest is a session as a person asks for it.
type OpenRequest struct {
	Kind    agent.SessionKind
	Command string            // Exec
	Env     map[string]string // Exec: besides the instance's own
	TTY     bool              // Exec
	Port    int               // Forward
}

const (
	// holdEvery keeps an attached run whose client is there; it is ended when
	// nobody has said so for holdFor.
	holdEvery = 5 * time.Second
	holdFor   = 15 * time.Second
	// lastWord is how long the platform tries to end what a session leaves.
	lastWord = 10 * time.Second
)

// Open connects somebody's streams with an instance and blocks until the
// session has ended; ctx ends when the client has gone. An error means that it
// could not begin, or that it was taken away; SessionEnd tells how it ended.
func (s *Service) Open(ctx context.Context, actor Actor, app, ident string, o OpenRequest, io agent.IO) (agent.SessionEnd, error) {
	a, err := s.app(ctx, actor, app, PermDeploy)
	if err != nil {
		return agent.SessionEnd{}, err
	}
	if err := checkOpen(o); err != nil {
		return agent.SessionEnd{}, err
	}
	leave, err := s.sessions.enter(a.ID)
	if err != nil {
		return agent.SessionEnd{}, err
	}
	defer leave()
	ctx, done := s.WhileAllowed(ctx, actor, a.ID, PermDeploy)
	defer done()
	if o.Kind == agent.Attach {
		end, err := s.attach(ctx, actor, a, ident, io)
		return end, allowedError(ctx, err)
	}
	in, err := s.reachable(ctx, a, ident)
	if err != nil {
		return agent.SessionEnd{}, allowedError(ctx, err)
	}
	if err := s.noteSession(ctx, actor, a, o, in); err != nil {
		return agent.SessionEnd{}, err
	}
	end, err := s.sessions.open(ctx, in.HostID, agent.Session{Instance: in.ID, Kind: o.Kind, Command: Argv(o.Command),
		Env: o.Env, TTY: o.TTY, Port: o.Port, IO: io})
	return end, allowedError(ctx, err)
}

func checkOpen(o OpenRequest) error {
	const kept = " Nothing was started."
	switch {
	case o.Kind == agent.Attach:
		return nil
	case o.Kind == agent.Forward && (o.Port < 1 || o.Port > 65535):
		return Errorf(ErrInvalid, "%d is no port: it must be between 1 and 65535.%s", o.Port, kept)
	case o.Kind == agent.Forward:
		return nil
	case o.Kind != agent.Exec:
		return Errorf(ErrInvalid, "There is no kind of session %q.%s", string(o.Kind), kept)
	case len(o.Command) > maxCommand:
		return Errorf(ErrInvalid, "The command is longer than %d bytes.%s", maxCommand, kept)
	case strings.ContainsRune(o.Command, 0):
		return Errorf(ErrInvalid, "The command holds a NUL byte.%s", kept)
	case Argv(o.Command) == nil:
		return Errorf(ErrInvalid, "There is no command to run.%s", kept)
	}
	return checkEnv(o.Env, kept)
}

// reachable finds an instance with a process by id, name or type; of several
// the one that is up, then the newest.
func (s *Service) reachable(ctx context.Context, a App, ident string) (Instance, error) {
	list, err := s.store.Instances(ctx, a.ID)
	if err != nil {
		return Instance{}, err
	}
	list = slices.DeleteFunc(list, func(in Instance) bool { return !in.Is(ident) })
	next := "See what runs: paas ps -a " + a.Name
	if len(list) == 0 {
		return Instance{}, &Error{ID: ErrNotFound, Message: "Couldn't find that dyno.", Next: next}
	}
	for _, state := range []string{"up", "starting", "draining"} {
		for _, in := range slices.Backward(list) {
			if in.State == state {
				return in, nil
			}
		}
	}
	in := list[len(list)-1]
	return Instance{}, &Error{ID: ErrConflict, Message: fmt.Sprintf("%s has no process to go to: it is %s.", instanceName(in.Type, in.Ordinal), in.State), Next: next}
}

// attach gives a client the streams of its run. The run lives as long as the
// client does: it is stopped with it, here or, when this process dies, by
// StopLapsed.
func (s *Service) attach(ctx context.Context, actor Actor, a App, ident string, io agent.IO) (agent.SessionEnd, error) {
	r, err := s.run(ctx, a, ident)
	if err != nil {
		return agent.SessionEnd{}, err
	}
	switch {
	case !r.Attach:
		return agent.SessionEnd{}, &Error{ID: ErrConflict, Message: r.Name() + " runs detached: its output is in the log.", Next: fmt.Sprintf("Read it: paas logs --tail --dyno %s -a %s", r.Name(), a.Name)}
	case r.UserID != actor.ID:
		return agent.SessionEnd{}, Errorf(ErrForbidden, "%s belongs to %s, who started it.", r.Name(), r.User)
	}
	release, err := s.sessions.claim(r)
	if err != nil {
		return agent.SessionEnd{}, err
	}
	defer release()
	holding, drop := context.WithCancel(ctx)
	var holder sync.WaitGroup
	holder.Go(func() { s.hold(holding, r) })
	defer holder.Wait()
	defer drop()
	end, err := s.attachTo(ctx, r, io)
	if err != nil {
		s.endRun(ctx, r, "its client went away")
	}
	return end, err
}

// attachTo waits until the run has a host and offers the session there.
func (s *Service) attachTo(ctx context.Context, r Run, io agent.IO) (agent.SessionEnd, error) {
	limited, cancel := context.WithTimeout(ctx, agent.AttachWait)
	defer cancel()
	r, err := awaitRun(limited, s.store, s.bell, r, func(r Run) bool { return r.State.Final() || r.HostID != "" })
	switch {
	case err != nil && ctx.Err() == nil && limited.Err() != nil:
		return agent.SessionEnd{}, Errorf(ErrUnavailable, "%s could not start within %s: %s. It was given up.", r.Name(), agent.AttachWait, or(r.Reason, "it waits for a host"))
	case err != nil:
		return agent.SessionEnd{}, err
	case r.State.Final():
		return agent.SessionEnd{}, Errorf(ErrConflict, "%s has ended already: %s.", r.Name(), or(r.Reason, string(r.State)))
	}
	return s.sessions.open(ctx, r.HostID, agent.Session{Instance: r.ID, Kind: agent.Attach, TTY: r.TTY, IO: io})
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// hold says again and again that the run's client is there.
func (s *Service) hold(ctx context.Context, r Run) {
	tick := time.NewTicker(holdEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := s.store.HoldRun(ctx, r.ID, holdFor); err != nil && ctx.Err() == nil {
			s.log.Warn("hold an attached run", "app", r.App, "instance", r.ID, "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// endRun has a run stopped though its request has ended.
func (s *Service) endRun(ctx context.Context, r Run, reason string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
	defer cancel()
	if err := s.store.StopRun(ctx, r.AppID, r.ID, "paas", reason); err != nil && !IsID(err, ErrNotFound) {
		s.log.Warn("stop an attached run; it is stopped when its lease ends", "app", r.App, "instance", r.ID, "err", err)
	}
}
