package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"paas/server/failpoint"
)

// phaseLimit is how long a release command or postdeploy may take (Heroku).
const phaseLimit = time.Hour

// runRelease runs the release command of a release that is written and not
// yet serving, once in its life, and lets the rollout begin when it succeeds.
// An attempt before this one may have begun it: then its end is waited for.
func (p *Pipeline) runRelease(ctx context.Context, d Deploy, out io.Writer) (Deploy, error) {
	app, err := p.store.App(ctx, d.AppID)
	if err != nil {
		return d, err
	}
	rel, err := p.store.Release(ctx, d.AppID, d.ReleaseID)
	if err != nil {
		return d, err
	}
	run, err := p.runOnce(ctx, d, NewRun{Type: ReleaseType, Command: CommandLine(rel, ReleaseType), Argv: rel.Processes[ReleaseType].Command,
		Size: p.releaseSize(ctx, rel), TimeLimit: cmp.Or(time.Duration(app.Settings.ReleaseTimeout)*time.Second, phaseLimit)}, out)
	if err != nil {
		return d, err
	}
	if run.State != RunSucceeded {
		return d, Errorf(ErrInvalid, "Release command %s.\nRead its output again: paas releases:output v%d -a %s", howEnded(run), d.Version, d.App)
	}
	failpoint.Hit("release.command_done")
	return p.store.Roll(ctx, d, p.cfg.Owner, bootTimeout(rel.Processes[webType].Health, app.Settings, p.cfg.BootTimeout)+bootSlack)
}

// releaseSize is what app.json says of the release command; "" is the default.
func (p *Pipeline) releaseSize(ctx context.Context, rel Release) string {
	b, err := p.store.Build(ctx, rel.AppID, rel.BuildID)
	if err != nil {
		return ""
	}
	return b.Manifest.Formation[ReleaseType].Size
}

// postdeploy runs app.json's postdeploy when the app's first deploy went live,
// once in its life. The deploy stays live however it ends.
func (p *Pipeline) postdeploy(ctx context.Context, d Deploy, out io.Writer) error {
	app, err := p.store.App(ctx, d.AppID)
	if err != nil || app.PostDeployed {
		return err
	}
	b, err := p.store.Build(ctx, d.AppID, d.BuildID)
	if err != nil {
		return err
	}
	if argv := Argv(b.Manifest.Postdeploy); argv != nil {
		run, err := p.runOnce(ctx, d, NewRun{Type: PostdeployType, Command: b.Manifest.Postdeploy, Argv: argv, TimeLimit: phaseLimit}, out)
		var told *Error
		switch {
		case errors.As(err, &told) && !told.Transient:
			fmt.Fprintf(out, " !     Postdeploy did not run: %s\n", told.Message)
		case err != nil:
			return err
		case run.State != RunSucceeded:
			fmt.Fprintf(out, " !     Postdeploy command %s. The release serves all the same.\n", howEnded(run))
			fmt.Fprintf(out, " !     It is not run again by itself; run it by hand: paas run -a %s -- %s\n", d.App, run.Command)
		}
	}
	failpoint.Hit("postdeploy.done")
	return p.store.PostDeployed(ctx, d.AppID)
}

// howEnded says in words how a run ended that did not succeed.
func howEnded(r Run) string {
	switch {
	case r.State == RunStopped:
		return "was stopped: " + cmp.Or(r.Reason, "nobody said why")
	case r.ExitCode == 126, r.ExitCode == 127:
		// The codes of a command that could not be run: the reason says why.
		return strings.TrimSuffix(fmt.Sprintf("failed with exit code %d: %s", r.ExitCode, r.Reason), ": ")
	case r.ExitCode != 0:
		return fmt.Sprintf("failed with exit code %d", r.ExitCode)
	}
	return "failed: " + cmp.Or(r.Reason, "nobody said why")
}

// runOnce runs one of the platform's own one-offs for a deploy's release to
// its end and copies what it prints to out. The store makes it a single one
// for whoever asks, so it may be called again after a crash.
func (p *Pipeline) runOnce(ctx context.Context, d Deploy, n NewRun, out io.Writer) (Run, error) {
	n.ID, n.AppID, n.ReleaseID, n.UserID, n.Actor = uuid.NewString(), d.AppID, d.ReleaseID, d.UserID, d.User
	run, err := p.store.CreateRun(ctx, n)
	switch {
	case errors.Is(err, ErrStale):
		if run, err = p.begun(ctx, n); err != nil {
			return run, err
		}
		fmt.Fprintf(out, "-----> The server was interrupted; the %s command goes on\n", n.Type)
	case err != nil:
		return run, err
	default:
		fmt.Fprintf(out, "-----> Running %s command...\n", n.Type)
		p.event(d, "Running %s v%d commands by user %s", n.Type, d.Version, d.User)
	}
	failpoint.Hit(n.Type + ".command_begun")
	w := &runWatch{p: p, run: run, out: out}
	return w.toEnd(ctx)
}

// begun is the run that an earlier attempt made.
func (p *Pipeline) begun(ctx context.Context, n NewRun) (Run, error) {
	f := RunFilter{Type: n.Type, Max: 1}
	if n.Type == ReleaseType {
		f.ReleaseID = n.ReleaseID
	}
	list, err := p.store.Runs(ctx, n.AppID, f)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("the %s command was begun and cannot be found", n.Type)
	}
	if err != nil {
		return Run{}, err
	}
	return list[0], nil
}

// ReleaseOutput is what the release command of a release (id or version)
// printed, as far as it is kept; it may still be running.
func (s *Service) ReleaseOutput(ctx context.Context, actor Actor, app, release string) (string, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return "", err
	}
	if release == "current" {
		release = a.Current
	}
	r, err := s.release(ctx, a, release)
	if err != nil {
		return "", err
	}
	list, err := s.store.Runs(ctx, a.ID, RunFilter{ReleaseID: r.ID, Type: ReleaseType, Max: 1})
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", &Error{ID: ErrNotFound, Message: fmt.Sprintf("v%d of %s ran no release command, so there is no output of one.", r.Version, a.Name), Next: "See its releases: paas releases -a " + a.Name}
	}
	text, _, err := s.store.RunOutput(ctx, list[0].ID)
	return string(text), err
}
