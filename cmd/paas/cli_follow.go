package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"paas/server/api"
)

// follow waits for a deploy to end. It gives the version that serves, or an
// error that says what failed, what was not changed, and its last lines.
func (s *session) follow(deploy string) (string, error) {
	if deploy == "" { // nothing had to change
		return "", nil
	}
	last := &tail{most: 20}
	d, err := s.api.Follow(s.ctx, s.app, deploy, last)
	if err != nil {
		return "", s.unwatched(deploy, err)
	}
	if d.Status == api.DeployLive {
		return version(d.Release), nil
	}
	return "", s.failed(d, last.lines())
}

func version(r *api.ReleaseRef) string {
	if r == nil || r.Version == 0 {
		return ""
	}
	return fmt.Sprintf("v%d", r.Version)
}

// unwatched says that the deploy goes on without us.
func (s *session) unwatched(deploy string, err error) error {
	// Of a request that asks how it stands; the deploy is there already.
	cause := strings.TrimSuffix(err.Error(), ". Nothing was changed")
	if errors.Is(err, context.Canceled) && s.ctx.Err() != nil {
		cause = "Interrupted."
	}
	return &api.Error{
		Message: strings.TrimRight(cause, "\n") + "\nThe deploy goes on without you.",
		Next:    fmt.Sprintf("See how it ended: paas deploys:info %s --app %s", deploy, s.app),
	}
}

func (s *session) failed(d api.Deploy, last []string) error {
	var b strings.Builder
	name := "The new release"
	if v := version(d.Release); v != "" {
		name = "Release " + v
	}
	switch {
	case d.Status == api.DeployFailed && d.Stage != nil:
		fmt.Fprintf(&b, "%s failed while %s", name, *d.Stage)
	default:
		fmt.Fprintf(&b, "%s was %s", name, d.Status)
	}
	if d.Reason != nil {
		fmt.Fprintf(&b, ": %s", *d.Reason)
	}
	b.WriteString("\n" + s.stillServing())
	if len(last) > 0 {
		b.WriteString("\n\nThe last lines of the deploy:\n  " + strings.Join(last, "\n  "))
	}
	fmt.Fprintf(&b, "\n\nSee what the app printed: paas logs --app %s", s.app)
	return errors.New(b.String())
}

// stillServing names the release that serves, when it can be asked for.
func (s *session) stillServing() string {
	const newest = 15
	releases, err := s.api.Releases(s.ctx, s.app, newest)
	if err != nil {
		return "The old release still serves, with its code and config as they were."
	}
	for _, r := range releases {
		if r.Current {
			return fmt.Sprintf("v%d still serves, with its code and config as they were.", r.Version)
		}
	}
	return "Code and config are as they were."
}

// tail keeps the last lines of what is written to it, each cut at 1 KB.
type tail struct {
	most int
	kept []string
	part []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const longest = 1 << 10
	for _, c := range p {
		if c == '\n' {
			t.end()
		} else if len(t.part) < longest {
			t.part = append(t.part, c)
		}
	}
	return len(p), nil
}

func (t *tail) end() {
	t.kept = append(t.kept, strings.TrimRight(string(t.part), "\r "))
	t.part = t.part[:0]
	if len(t.kept) > t.most {
		t.kept = t.kept[1:]
	}
}

func (t *tail) lines() []string {
	if len(t.part) > 0 {
		t.end()
	}
	return t.kept
}
