package server

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"paas/scheduler"
)

// quietStart is how long a process may take to answer without a word about it.
const quietStart = 3 * time.Second

// rollout tells the pusher how a release comes up and says when it is there.
type rollout struct {
	p    *Pipeline
	d    Deploy
	out  io.Writer
	said map[string]string // by instance, what was last said of it
	full time.Time         // when all of it was first seen to serve
}

// formerLimit is how long the end of a push waits, once the new release serves,
// until the old one serves no more.
const formerLimit = 5 * time.Second

// look reads the present state: done when all wanted instances of the release
// are up and every router serves them and nothing older, an error when it cannot
// come to that.
func (r *rollout) look(ctx context.Context) (done bool, err error) {
	snap, err := r.p.store.Snapshot(ctx, r.d.AppID)
	if err != nil {
		return false, err
	}
	pr := scheduler.Measure(snap.State)
	r.tell(snap)
	if len(pr.Crashed) > 0 {
		return false, r.crashed(ctx, pr.Crashed[0])
	}
	if pr.Up >= pr.Want && r.serving(snap) {
		return r.alone(snap, time.Now()), nil
	}
	if snap.State.Now.After(r.d.DeadlineAt) {
		return false, r.overdue(ctx, snap, pr)
	}
	return false, nil
}

// serving says that all routers have the release's web instances.
func (r *rollout) serving(snap Snapshot) bool {
	for _, in := range snap.State.Instances {
		if in.Type != webType || in.Release != snap.State.Release || in.State != scheduler.Up || in.Replace {
			continue
		}
		if !r.p.traffic.Serving(in.ID) {
			return false
		}
	}
	return true
}

// alone says that no router sends requests to older releases any more: who has
// pushed may expect that the next request is answered by what was pushed.
func (r *rollout) alone(snap Snapshot, now time.Time) bool {
	if r.full.IsZero() {
		r.full = now
	}
	if now.Sub(r.full) >= formerLimit {
		return true
	}
	return !slices.ContainsFunc(snap.State.Instances, func(in scheduler.Instance) bool {
		return in.Type == webType && !in.OneOff && in.Release != snap.State.Release && !r.p.traffic.Left(in.ID)
	})
}

func (r *rollout) tell(snap Snapshot) {
	for _, in := range snap.State.Instances {
		if in.Release != snap.State.Release || in.Replace {
			continue
		}
		text := ""
		switch in.State {
		case scheduler.Pending:
			text = "waits: " + in.Reason
		case scheduler.Starting:
			switch {
			case in.Reason != "":
				text = "waits: " + in.Reason
			case in.Type == webType && snap.State.Now.Sub(in.Since) > quietStart:
				text = fmt.Sprintf("has not answered on $PORT yet (it has %s)", r.limit(snap))
			}
		case scheduler.Up:
			text = "up"
		}
		if text != "" && r.said[in.ID] != text {
			r.said[in.ID] = text
			fmt.Fprintf(r.out, "       %s %s\n", snap.Names[in.ID], text)
		}
	}
}

// limit is how long a web process has to answer.
func (r *rollout) limit(snap Snapshot) time.Duration {
	return bootTimeout(snap.Target.Processes[webType].Health, snap.App.Settings, r.p.cfg.BootTimeout)
}

func (r *rollout) crashed(ctx context.Context, id string) error {
	list, err := r.p.store.Instances(ctx, r.d.AppID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(in Instance) bool { return in.ID == id })
	if i < 0 {
		return nil
	}
	in := list[i]
	name := fmt.Sprintf("%s.%d", in.Type, in.Ordinal)
	r.lastLines(ctx, in.ID, name)
	return Errorf(ErrInvalid, "%s of v%d did not come up: %s.", name, r.d.Version, strings.TrimSuffix(in.Reason, "."))
}

func (r *rollout) overdue(ctx context.Context, snap Snapshot, pr scheduler.Progress) error {
	names := map[string][]string{} // by what is the matter
	for _, in := range snap.State.Instances {
		if in.Release != snap.State.Release || in.Replace || in.State == scheduler.Up {
			continue
		}
		text := string(in.State)
		if in.Reason != "" {
			text = in.Reason
		}
		if in.State != scheduler.Pending && in.State != scheduler.Assigned && len(names[text]) == 0 {
			r.lastLines(ctx, in.ID, snap.Names[in.ID])
		}
		names[text] = append(names[text], snap.Names[in.ID])
	}
	var why []string
	for _, text := range slices.Sorted(maps.Keys(names)) {
		who := names[text][0]
		if n := len(names[text]) - 1; n > 0 {
			who = fmt.Sprintf("%s and %d more", who, n)
		}
		why = append(why, who+": "+text)
	}
	return Errorf(ErrInvalid, "%d of %d instances of v%d came up within %s (%s).", pr.Up, pr.Want, r.d.Version,
		r.limit(snap)+bootSlack, strings.Join(why, "; "))
}

// lastLines shows what the failed instance printed last.
func (r *rollout) lastLines(ctx context.Context, id, name string) {
	const shown = 50
	var lines []string
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	q := LogQuery{AppID: r.d.AppID, Source: "app", Dyno: name, Lines: 1500}
	_ = r.p.logs.Read(limited, q, func(l LogLine) error {
		if l.Instance == id {
			lines = append(lines, l.Text)
		}
		return nil
	})
	lines = lines[max(0, len(lines)-shown):]
	if len(lines) == 0 {
		fmt.Fprintf(r.out, "       %s printed nothing.\n", name)
		return
	}
	fmt.Fprintf(r.out, "       The last lines of %s:\n", name)
	for _, l := range lines {
		fmt.Fprintf(r.out, "         %s\n", l)
	}
}
