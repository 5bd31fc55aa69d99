package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	webType = "web"
	// bootSlack is what a rollout has beyond the boot timeout of its processes
	// for pulling the image and for batches.
	bootSlack = 15 * time.Second
	// renewEvery keeps the leases of a living worker; the store's lease is
	// three times as long.
	renewEvery = 3 * time.Second
	saveEvery  = 250 * time.Millisecond
)

// NewPipeline makes a pipeline; Run works on deploys.
func NewPipeline(cfg PipelineConfig, store Store, repos Repos, b Builder, k *Keyring, t *Traffic, bell *Bell, logs Logs, log *slog.Logger) *Pipeline {
	return &Pipeline{cfg: cfg, store: store, repos: repos, builder: loggedBuilds{b, logs}, keyring: k, traffic: t, bell: bell,
		logs: logs, outputs: newOutputs(store, log), log: log, slots: make(chan struct{}, cfg.MaxBuilds)}
}

// Run claims deploys and works on each in a goroutine of its own until ctx
// ends. Then it lets go of them as they stand: the next start goes on.
func (p *Pipeline) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { p.renew(ctx) })
	wake, stop := p.bell.Listen(NoticeQueue)
	defer stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		p.claimAll(ctx, &wg)
		select {
		case <-wake:
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	wg.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := p.store.Abandon(last, p.cfg.Owner); err != nil {
		return fmt.Errorf("let go of deploys: %w", err)
	}
	return nil
}

func (p *Pipeline) renew(ctx context.Context) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := p.store.Renew(ctx, p.cfg.Owner); err != nil && ctx.Err() == nil {
			p.log.Warn("renew deploy leases", "err", err)
		}
	}
}

// claimAll takes up what can be worked on now.
func (p *Pipeline) claimAll(ctx context.Context, wg *sync.WaitGroup) {
	for ctx.Err() == nil {
		d, err := p.store.Claim(ctx, p.cfg.Owner, Work{Builds: len(p.slots) < cap(p.slots), Releases: p.leads()})
		if err != nil {
			if ctx.Err() == nil {
				p.log.Warn("claim a deploy", "err", err)
			}
			return
		}
		if d == nil {
			return
		}
		building := d.State == DeployBuilding && !d.Built
		if building {
			p.slots <- struct{}{}
		}
		wg.Go(func() { p.work(ctx, *d, building) })
	}
}

// work takes one deploy as far as it goes and ends it.
func (p *Pipeline) work(ctx context.Context, d Deploy, building bool) {
	out, err := p.outputs.start(ctx, d.ID)
	if err != nil {
		p.log.Warn("open deploy output", "app", d.App, "deploy", d.ID, "err", err)
		p.releaseSlot(building)
		return
	}
	var saver sync.WaitGroup
	saver.Go(func() { p.outputs.save(ctx, d.ID, out, saveEvery) })
	p.log.Info("deploy", "app", d.App, "deploy", d.ID, "kind", d.Kind, "state", d.State, "attempt", d.Attempts)
	if d.Attempts > p.cfg.MaxAttempts && !d.State.Final() {
		err = Errorf(ErrUnavailable, "The deploy was interrupted %d times.", d.Attempts-1)
	} else {
		d, err = p.persevere(ctx, d, out)
	}
	p.releaseSlot(building)
	if err != nil {
		d = p.settle(ctx, d, err)
	}
	p.epilogue(d, out)
	out.closeAs(d.over())
	saver.Wait()
	p.outputs.finish(context.WithoutCancel(ctx), d.ID, out)
	if d.over() || errors.Is(err, errHandover) {
		p.letGo(ctx, d)
	}
	p.bell.Ring(NoticeQueue)
	p.bell.Ring(DeployTopic(d.ID))
}

// errWithdrawn ends the work on a deploy that is no more: its app was
// destroyed, or it was cancelled.
var errWithdrawn = fmt.Errorf("withdrawn: %w", ErrLost)

// persevere works on a deploy through absences of the database: each time it
// is back, it goes on from where the deploy's row stands. It stops at once when
// the deploy is withdrawn.
func (p *Pipeline) persevere(ctx context.Context, d Deploy, out *Output) (Deploy, error) {
	ctx, withdraw := context.WithCancelCause(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { p.watch(ctx, d.AppID, d.ID, withdraw) })
	defer watcher.Wait()
	defer withdraw(nil)
	for from := d; ; {
		end, err := p.guard(ctx, from, out)
		if errors.Is(context.Cause(ctx), errWithdrawn) {
			return d, errWithdrawn
		}
		if !IsTransient(err) {
			return end, err
		}
		p.log.Warn("the database is away, the deploy waits", "app", d.App, "deploy", d.ID, "err", err)
		if err := Patiently(ctx, patience, func() (err error) { from, err = p.store.Deploy(ctx, d.AppID, d.ID); return err }); err != nil {
			return end, err
		}
	}
}

// watch withdraws the work on a deploy whose row is gone or was ended by another.
func (p *Pipeline) watch(ctx context.Context, appID, id string, withdraw context.CancelCauseFunc) {
	wake, stop := p.bell.Listen(DeployTopic(id))
	defer stop()
	tick := time.NewTicker(5 * time.Second) // notices may be lost with a connection
	defer tick.Stop()
	for {
		select {
		case <-wake:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now, err := p.store.Deploy(ctx, appID, id)
		if IsID(err, ErrNotFound) || err == nil && now.State == DeployCancelled {
			withdraw(errWithdrawn)
			return
		}
	}
}

// guard makes a panic in one deploy that deploy's failure.
func (p *Pipeline) guard(ctx context.Context, d Deploy, out *Output) (end Deploy, err error) {
	defer func() {
		if r := recover(); r != nil {
			p.log.Error("deploy panicked", "deploy", d.ID, "err", r)
			end, err = d, Errorf(ErrUnavailable, "The deploy hit a fault of the platform.")
		}
	}()
	return p.deploy(ctx, d, out)
}

func (p *Pipeline) releaseSlot(building bool) {
	if building {
		<-p.slots
	}
}

// settle decides what an error means: shutting down or a lost lease leave the
// deploy to the next worker, everything else fails it.
func (p *Pipeline) settle(ctx context.Context, d Deploy, err error) Deploy {
	if errors.Is(err, errWithdrawn) {
		if now, err := p.store.Deploy(ctx, d.AppID, d.ID); err == nil {
			return now
		}
		return d
	}
	if ctx.Err() != nil || errors.Is(err, ErrLost) {
		p.log.Info("deploy handed over", "app", d.App, "deploy", d.ID, "state", d.State, "err", err)
		return d
	}
	var told *Error
	reason := "The platform failed: " + err.Error() + "."
	if errors.As(err, &told) {
		reason = told.Message
	} else {
		p.log.Error("deploy", "app", d.App, "deploy", d.ID, "state", d.State, "err", err)
	}
	if d.State.Final() {
		return d // live, and its branch could not follow yet: it is taken up again
	}
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		failed, ferr := p.store.Finish(limited, d, p.cfg.Owner, Outcome{State: DeployFailed, Stage: p.stage(limited, d), Reason: reason})
		if ferr == nil {
			p.event(failed, "Deploy failed: %s", strings.SplitN(reason, "\n", 2)[0])
			return failed
		}
		p.log.Warn("end deploy", "app", d.App, "deploy", d.ID, "err", ferr)
		if errors.Is(ferr, ErrLost) {
			return d
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-limited.Done():
			return d
		}
	}
}

// stage is where the deploy stands in the store: the step that failed.
func (p *Pipeline) stage(ctx context.Context, d Deploy) DeployState {
	if now, err := p.store.Deploy(ctx, d.AppID, d.ID); err == nil {
		return now.State
	}
	return d.State
}

// epilogue is what the pusher reads last.
func (p *Pipeline) epilogue(d Deploy, out *Output) {
	switch {
	case d.State == DeployLive:
		if d.Kind == KindPush {
			fmt.Fprintf(out, "       Released v%d\n       %s deployed to paas\n", d.Version, p.cfg.URL(d.App))
		}
	case d.State == DeployCancelled:
		fmt.Fprintf(out, " !     The deploy was %s.\n !     Nothing was changed: %s\n", d.Reason, p.still(d))
	case d.State == DeployFailed:
		for line := range strings.SplitSeq(d.Reason, "\n") {
			fmt.Fprintf(out, " !     %s\n", line)
		}
		fmt.Fprintf(out, " !     Nothing was changed: %s\n", p.still(d))
	}
}

// still says what serves after a failure.
func (p *Pipeline) still(d Deploy) string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	app, err := p.store.App(ctx, d.AppID)
	if err != nil || app.Current == "" {
		return "what served before still serves."
	}
	r, err := p.store.Release(ctx, d.AppID, app.Current)
	if err != nil || r.Image.Digest == "" {
		return "nothing was deployed before."
	}
	return fmt.Sprintf("v%d still serves. Logs: paas logs -a %s", r.Version, d.App)
}

// event writes to the app's log in Heroku's words.
func (p *Pipeline) event(d Deploy, format string, args ...any) {
	p.say(AppLine(d.AppID, "api", fmt.Sprintf(format, args...)))
}

func (p *Pipeline) say(l LogLine) { p.logs.Append(l) }

// AppLine is a line of the platform in an app's log.
func AppLine(appID, dyno, text string) LogLine {
	source := "paas"
	if dyno == "api" {
		source = "app" // Heroku: app[api]
	}
	return LogLine{AppID: appID, At: time.Now(), Source: source, Dyno: dyno, Text: text}
}
