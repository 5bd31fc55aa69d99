package server

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Step is one part of a deploy's way, for people who watch it.
type Step struct {
	Name  string // "push", "build", "release", "roll out", "live"; what is no push begins with "release"
	State StepState
	From  time.Time // zero: it has not begun
	To    time.Time // zero: it has not ended
	// Command says that the release command runs in this step.
	Command bool
}

// StepState is where a step stands.
type StepState string

// The states of a step. The last three end the deploy.
const (
	StepWaits      StepState = "pending"
	StepRuns       StepState = "under way"
	StepDone       StepState = "done"
	StepFailed     StepState = "failed"
	StepCancelled  StepState = "cancelled"
	StepSuperseded StepState = "superseded"
)

// Took is how long a step took, or has taken by now; 0 before it began.
func (st Step) Took(now time.Time) time.Duration {
	switch {
	case st.From.IsZero():
		return 0
	case st.To.IsZero():
		return now.Sub(st.From)
	}
	return st.To.Sub(st.From)
}

// DeployHistory is what a store remembers of one deploy.
type DeployHistory interface {
	// DeployEvents lists what happened to a deploy, oldest first.
	DeployEvents(ctx context.Context, appID, deployID string) ([]Event, error)
}

// DeploySteps tells a deploy as steps with their times.
func (s *Service) DeploySteps(ctx context.Context, actor Actor, app, id string) ([]Step, error) {
	d, err := s.Deploy(ctx, actor, app, id)
	if err != nil {
		return nil, err
	}
	events, err := s.store.DeployEvents(ctx, d.AppID, d.ID)
	if err != nil {
		return nil, err
	}
	command := false
	if d.ReleaseID != "" {
		r, err := s.store.Release(ctx, d.AppID, d.ReleaseID)
		if err != nil {
			return nil, err
		}
		_, command = r.Processes[ReleaseType]
	}
	return stepsOf(d, events, command), nil
}

// stepsOf reads the steps from what happened. The begin of a step is the end
// of the one before; the steps are the same before, while and after they run.
func stepsOf(d Deploy, events []Event, command bool) []Step {
	at := func(kind string) time.Time {
		i := slices.IndexFunc(events, func(e Event) bool { return e.Kind == kind })
		if i < 0 {
			return time.Time{}
		}
		return events[i].At
	}
	rolled := at("release.created")
	if command {
		rolled = at("deploy.rolling")
	}
	live := at("deploy.live")
	if d.State == DeployLive && live.IsZero() { // its release had nothing to start
		live = at("release.created")
	}
	steps := []Step{{Name: "release", To: rolled, Command: command}, {Name: "roll out", To: live}}
	if d.Kind == KindPush {
		steps = append([]Step{{Name: "push", To: at("build.started")}, {Name: "build", To: at("build.succeeded")}}, steps...)
	}
	from := d.CreatedAt
	for i := range steps {
		steps[i].From = from
		from = steps[i].To
		steps[i].State = StepDone
		if from.IsZero() {
			steps[i].State = StepWaits
		}
	}
	steps = append(steps, Step{Name: "live", State: StepWaits, From: live, To: live})
	return mark(steps, d, events)
}

// mark says which step the deploy is at, or ended at.
func mark(steps []Step, d Deploy, events []Event) []Step {
	if d.State == DeployLive {
		for i := range steps {
			steps[i].State = StepDone
		}
		return steps
	}
	i := slices.IndexFunc(steps, func(st Step) bool { return st.State == StepWaits })
	now := &steps[i]
	now.State = StepRuns
	switch d.State {
	case DeployFailed, DeployCancelled, DeploySuperseded:
		now.State, now.To = StepState(d.State), d.UpdatedAt
		if at := slices.IndexFunc(events, func(e Event) bool { return e.Kind == "deploy."+string(d.State) }); at >= 0 {
			now.To = events[at].At
		}
	}
	return steps
}

// DeployOutput is what a deploy has said so far. Ended says that nothing
// follows: a deploy says its last word after its state has become final.
func (s *Service) DeployOutput(ctx context.Context, actor Actor, app, id string) (out []byte, ended bool, err error) {
	d, err := s.Deploy(ctx, actor, app, id)
	if err != nil {
		return nil, false, err
	}
	if o := s.pipeline.outputs.get(d.ID); o != nil {
		return o.soFar(), false, nil
	}
	out, err = s.store.Output(ctx, d.ID)
	return out, d.over() && !d.Held, err
}

// over says that nobody works on the deploy any more.
func (d Deploy) over() bool {
	return d.State.Final() && (d.State != DeployLive || d.Kind != KindPush || d.RefMoved)
}

func (out *Output) soFar() []byte {
	out.mu.Lock()
	defer out.mu.Unlock()
	return slices.Clone(out.buf)
}

// subject is the first line of a pushed commit's message. One that cannot be
// read is not told: the push goes on.
func (s *Service) subject(ctx context.Context, p Push) string {
	list, _, err := s.repos.Log(ctx, p.AppID, "", p.Commit, 1)
	if err != nil || len(list) == 0 {
		return ""
	}
	return strings.ToValidUTF8(list[0].Subject, "�")
}
