package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"paas/builder"

	"paas/server/failpoint"
)

// Builder turns a commit into an image; builder/buildkit is one.
type Builder interface {
	Build(ctx context.Context, r builder.Request, out io.Writer) (builder.Image, error)
}

// PipelineConfig are the limits of the pipeline.
type PipelineConfig struct {
	Owner        string        // names this process in leases; unique per start
	BuildTimeout time.Duration // one build
	BootTimeout  time.Duration // from a rollout's start until all instances are up
	MaxBuilds    int           // builds at once in this process
	MaxAttempts  int           // how often an interrupted deploy is taken up
	Sizes        []Size        // that app.json may name
	URL          func(app string) string
	// Shared says that other servers work on deploys, too. Then this one builds
	// what comes in here, and does what comes after a build while it leads (Lead):
	// that needs what only the leader has, traffic and the apps' logs.
	Shared bool
}

// Pipeline takes deploys from queued to live, one goroutine each. It keeps
// nothing in memory that the deploy's row does not say: whoever claims a
// deploy goes on where its state stands.
type Pipeline struct {
	cfg     PipelineConfig
	store   Store
	repos   Repos
	builder Builder
	keyring *Keyring
	traffic *Traffic
	bell    *Bell
	logs    Logs
	outputs *outputs
	log     *slog.Logger
	slots   chan struct{} // one token per build at once
	term    atomic.Pointer[context.Context]
}

// deploy is the path of a deploy from top to bottom. A step returns an error
// made for people (*Error), which fails the deploy, or errHandover when this
// process has to let go of it.
func (p *Pipeline) deploy(ctx context.Context, d Deploy, out *Output) (Deploy, error) {
	if d.State == DeployBuilding {
		img, m, err := p.build(ctx, d, out)
		if err != nil {
			return d, err
		}
		failpoint.Hit("build.before_commit")
		if err := p.store.Built(ctx, d, p.cfg.Owner, img, m); err != nil {
			return d, err
		}
		d.Built = true
		failpoint.Hit("build.after_commit")
	}
	ctx, end, err := p.lead(ctx)
	if err != nil {
		return d, err
	}
	defer end()
	d, err = p.launch(ctx, d, out)
	if errors.Is(context.Cause(ctx), errHandover) {
		err = errHandover
	}
	return d, err
}

// launch is what comes after the build.
func (p *Pipeline) launch(ctx context.Context, d Deploy, out *Output) (Deploy, error) {
	if d.State == DeployBuilding || d.State == DeployReleasing && d.ReleaseID == "" {
		released, err := p.release(ctx, d, out)
		if err != nil {
			return d, err
		}
		d = released
		failpoint.Hit("release.after_commit")
		p.warnOfDisk(ctx, d, out)
	}
	if d.State == DeployReleasing {
		prepared, err := p.runRelease(ctx, d, out)
		if err != nil {
			return d, err
		}
		d = prepared
	}
	if d.State == DeployRolling {
		if err := p.roll(ctx, d, out); err != nil {
			return d, err
		}
		failpoint.Hit("rolled.before_live")
		live, err := p.store.Finish(ctx, d, p.cfg.Owner, Outcome{State: DeployLive})
		if err != nil {
			return d, err
		}
		d = live
		failpoint.Hit("live.after_commit")
	}
	if d.Kind == KindPush && !d.RefMoved {
		if err := p.postdeploy(ctx, d, out); err != nil {
			return d, err
		}
		return p.followRef(ctx, d)
	}
	return d, nil
}

// build makes the image, unless an earlier attempt already did, and gives it
// with what the commit says of how it is run.
func (p *Pipeline) build(ctx context.Context, d Deploy, out io.Writer) (img Image, m builder.Manifest, err error) {
	b, err := p.store.Build(ctx, d.AppID, d.BuildID)
	if err != nil {
		return img, m, err
	}
	if b.Status == "succeeded" {
		return b.Image, b.Manifest, nil
	}
	if d.Attempts > 1 {
		fmt.Fprintf(out, "-----> The server was interrupted while building; building again (attempt %d)\n", d.Attempts)
	}
	if err := p.repos.CanFollow(ctx, d.AppID, d.Ref, d.Old, d.Commit); err != nil {
		return img, m, err
	}
	tree, err := p.repos.Tree(ctx, d.AppID, d.Commit)
	if err != nil {
		return img, m, err
	}
	defer tree.Close()
	warnOfHoles(tree, out)
	if m, err = p.manifest(ctx, d, tree, out); err != nil {
		return img, m, err
	}
	if img, err = p.buildTree(ctx, d, tree, m, out); err != nil {
		return img, m, err
	}
	tellTypes(m, out)
	return img, m, nil
}

func (p *Pipeline) buildTree(ctx context.Context, d Deploy, tree Tree, m builder.Manifest, out io.Writer) (Image, error) {
	fmt.Fprintf(out, "-----> Building %s with its Dockerfile\n", d.Commit[:8])
	p.event(d, "Build started by user %s", d.User)
	failpoint.Hit("build.started")
	limited, cancel := context.WithTimeout(ctx, p.cfg.BuildTimeout)
	defer cancel()
	began := time.Now()
	img, err := p.builder.Build(limited, builder.Request{AppID: d.AppID, Commit: d.Commit, Source: tree}, out)
	if err != nil {
		return Image{}, p.explainBuild(ctx, limited, err, out)
	}
	if m.Processes == nil && len(img.Entrypoint)+len(img.Cmd) == 0 {
		return Image{}, Errorf(ErrInvalid, "The image has no process to run: its Dockerfile ends without CMD or ENTRYPOINT, and there is no Procfile. Add one, commit and push again.")
	}
	fmt.Fprintf(out, "-----> Build succeeded in %s, image %s\n", spell(time.Since(began)), spellSize(img.Size))
	p.event(d, "Build succeeded")
	return Image{Digest: img.Digest, Size: img.Size, Entrypoint: img.Entrypoint, Cmd: img.Cmd,
		Port: img.Port, User: img.User, Arch: img.Arch, Volumes: img.Volumes}, nil
}

// warnOfHoles names what the commit refers to but does not hold.
func warnOfHoles(tree Tree, out io.Writer) {
	for _, path := range tree.Submodules() {
		fmt.Fprintf(out, " !     Submodule %s is not fetched: its directory is empty in the build.\n", path)
	}
	pointers, err := tree.LFSPointers()
	if err != nil {
		return // a broken .gitattributes is the build's to notice
	}
	for _, path := range pointers {
		fmt.Fprintf(out, " !     %s is a Git LFS pointer, not its content: push it without LFS.\n", path)
	}
}

// explainBuild turns a builder's error into one for the pusher.
func (p *Pipeline) explainBuild(ctx, limited context.Context, err error, out io.Writer) error {
	var f *builder.Failure
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return Errorf(ErrInvalid, "The build took longer than %s and was stopped.", p.cfg.BuildTimeout)
	case errors.As(err, &f):
		if f.Detail != "" {
			fmt.Fprintln(out, indent(f.Detail))
		}
		return Errorf(ErrInvalid, "%s", f.Reason)
	default:
		p.log.Error("build", "err", err)
		return Errorf(ErrUnavailable, "The build could not run: %v. Nothing is wrong with the commit; push it again when `paas doctor` on the server is green.", err)
	}
}

// release waits for the app's rollout slot and writes vN. In the draft, under
// the app's lock, it is seen whether the branch may still follow.
func (p *Pipeline) release(ctx context.Context, d Deploy, out io.Writer) (Deploy, error) {
	wake, stop := p.bell.Listen(AppTopic(d.AppID), NoticeQueue)
	defer stop()
	told := false
	for {
		failpoint.Hit("release.before_commit")
		released, err := p.store.WriteRelease(ctx, d, p.cfg.Owner, p.draft)
		if err == nil {
			p.sayReleased(ctx, released)
			return released, nil
		}
		if !errors.Is(err, ErrBusy) {
			return d, err
		}
		if !told {
			fmt.Fprintln(out, "-----> Waiting for the release before this one")
			told = true
		}
		select {
		case <-wake:
		case <-time.After(time.Second): // a notice may be lost with a connection
		case <-ctx.Done():
			return d, ctx.Err()
		}
	}
}

// sayReleased tells the app's log what was released, worded as Heroku's.
func (p *Pipeline) sayReleased(ctx context.Context, d Deploy) {
	by := " by user " + d.User
	if rel, err := p.store.Release(ctx, d.AppID, d.ReleaseID); err == nil { // else it is only not told
		p.say(AppLine(d.AppID, "api", rel.Description+by))
	}
	p.say(AppLine(d.AppID, "api", fmt.Sprintf("Release v%d created%s", d.Version, by)))
}

// roll watches the rollout until every instance is up and takes traffic. What
// starts and stops is the reconcile loop's work; here it is only judged.
func (p *Pipeline) roll(ctx context.Context, d Deploy, out io.Writer) error {
	wake, stop := p.bell.Listen(AppTopic(d.AppID))
	defer stop()
	failpoint.Hit("rolling")
	w := rollout{p: p, d: d, out: out, said: map[string]string{}}
	fmt.Fprintf(out, "-----> Launching v%d\n", d.Version)
	for {
		done, err := w.look(ctx)
		if done || err != nil {
			return err
		}
		select {
		case <-wake:
		case <-time.After(time.Second): // the deadline, and notices lost with a connection
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// followRef moves the branch after the release is live.
func (p *Pipeline) followRef(ctx context.Context, d Deploy) (Deploy, error) {
	if err := p.repos.Follow(ctx, d.AppID, d.Ref, d.Old, d.Commit); err != nil {
		if !IsID(err, ErrConflict) {
			return d, fmt.Errorf("move %s: %w", d.Ref, err)
		}
		p.log.Warn("branch not moved", "app", d.App, "deploy", d.ID, "err", err)
	}
	failpoint.Hit("ref.moved")
	return p.store.Finish(ctx, d, p.cfg.Owner, Outcome{State: DeployLive, Moved: true})
}
