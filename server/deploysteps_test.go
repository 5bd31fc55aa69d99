package server

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// told is the steps in one line, with their seconds.
func told(steps []Step, now time.Time) string {
	var all []string
	for _, s := range steps {
		all = append(all, fmt.Sprintf("%s %s %g", s.Name, s.State, s.Took(now).Seconds()))
	}
	return strings.Join(all, ", ")
}

func TestStepsOfADeploy(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	after := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	// The kinds in the order of a push with a release command, 10 s apart.
	kinds := []string{"deploy.queued", "build.started", "build.succeeded", "release.created", "deploy.rolling"}
	first := func(n int, last ...string) (list []Event) {
		for i, k := range append(kinds[:n:n], last...) {
			list = append(list, Event{Kind: k, At: after(10 * i)})
		}
		return list
	}
	push := func(s DeployState) Deploy {
		return Deploy{Kind: KindPush, State: s, CreatedAt: begin, UpdatedAt: after(99)}
	}
	rollback := func(s DeployState) Deploy {
		return Deploy{Kind: KindRollback, State: s, CreatedAt: begin, UpdatedAt: after(99)}
	}
	for _, c := range []struct {
		name    string
		d       Deploy
		events  []Event
		command bool
		want    string
	}{
		{"queued", push(DeployQueued), first(1), false, "push under way 60, build pending 0, release pending 0, roll out pending 0, live pending 0"},
		{"builds", push(DeployBuilding), first(2), false, "push done 10, build under way 50, release pending 0, roll out pending 0, live pending 0"},
		{"waits for the release before", push(DeployBuilding), first(3), false, "push done 10, build done 10, release under way 40, roll out pending 0, live pending 0"},
		{"release command", push(DeployReleasing), first(4), true, "push done 10, build done 10, release under way 40, roll out pending 0, live pending 0"},
		{"rolls out", push(DeployRolling), first(4), false, "push done 10, build done 10, release done 10, roll out under way 30, live pending 0"},
		{"rolls out after its command", push(DeployRolling), first(5), true, "push done 10, build done 10, release done 20, roll out under way 20, live pending 0"},
		{"live", push(DeployLive), first(4, "deploy.live"), false, "push done 10, build done 10, release done 10, roll out done 10, live done 0"},
		{"build failed", push(DeployFailed), first(2, "deploy.failed"), false, "push done 10, build failed 10, release pending 0, roll out pending 0, live pending 0"},
		{"crashed", push(DeployFailed), first(4, "deploy.failed"), false, "push done 10, build done 10, release done 10, roll out failed 10, live pending 0"},
		{"release command failed", push(DeployFailed), first(4, "deploy.failed"), true, "push done 10, build done 10, release failed 20, roll out pending 0, live pending 0"},
		{"superseded", push(DeploySuperseded), first(1, "deploy.superseded"), false, "push superseded 10, build pending 0, release pending 0, roll out pending 0, live pending 0"},
		{"cancelled long ago", push(DeployCancelled), nil, false, "push cancelled 99, build pending 0, release pending 0, roll out pending 0, live pending 0"},
		{"rollback", rollback(DeployRolling), []Event{{Kind: "release.created", At: after(10)}}, false, "release done 10, roll out under way 50, live pending 0"},
		{"nothing to start", rollback(DeployLive), []Event{{Kind: "release.created", At: after(10)}}, false, "release done 10, roll out done 0, live done 0"},
	} {
		if got := told(stepsOf(c.d, c.events, c.command), after(60)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}
