package server

import (
	"context"
	"fmt"
	"slices"
	"time"

	"paas/builder"
)

// MaxDiffCommits is how many commits a comparison of releases lists.
const MaxDiffCommits = 100

// Commit is one commit as people see it. Subject and Author are foreign text.
type Commit struct {
	ID      string
	Subject string // first line of its message
	Author  string
	At      time.Time
}

// ReleaseDiff is what differs between two releases.
type ReleaseDiff struct {
	From, To Release
	Commits  []Commit // that came, newest first, at most MaxDiffCommits
	Gone     []Commit // that were taken back
	More     bool     // there are more of either
	// CommitsLost says that the repository no longer has the commits.
	CommitsLost bool
	Keys        []KeyChange // config vars and files
	Processes   []ProcessChange
	CronsAdded  []builder.CronSpec
	CronsGone   []builder.CronSpec
}

// ProcessChange is a process type whose command is another, was added (From
// is empty) or removed (To is empty).
type ProcessChange struct{ Type, From, To string }

// Diff compares two releases (ids or versions). Without to it is the current
// one, without from the newest before to that served.
func (s *Service) Diff(ctx context.Context, actor Actor, app, from, to string) (d ReleaseDiff, err error) {
	a, err := s.appToRead(ctx, actor, app, PermDeploy)
	if err != nil {
		return d, err
	}
	if to == "" {
		to = a.Current
	}
	newer, err := s.open(ctx, a, to)
	if err != nil {
		return d, err
	}
	if from == "" {
		r, err := s.served(ctx, a, newer.release)
		if err != nil {
			return d, err
		}
		from = r.ID
	}
	older, err := s.open(ctx, a, from)
	if err != nil {
		return d, err
	}
	d.From, d.To, d.Keys = older.release, newer.release, changesOf(older, newer, "")
	d.compareCode()
	return d, s.compareCommits(ctx, &d)
}

// served is the newest release before r that served.
func (s *Service) served(ctx context.Context, a App, r Release) (Release, error) {
	list, err := s.store.Releases(ctx, a.ID, Page{Max: 1000, Desc: true})
	if err != nil {
		return r, err
	}
	i := slices.IndexFunc(list, func(o Release) bool { return o.Version < r.Version && o.Status == ReleaseSucceeded })
	if i < 0 {
		return r, &Error{ID: ErrInvalid, Message: a.Name + " has no release before that to compare with.", Next: "See which there are: paas releases -a " + a.Name}
	}
	return list[i], nil
}

func (d *ReleaseDiff) compareCode() {
	line := func(r Release, t string) string { return CommandLine(r, t) }
	compare(d.From.Processes, d.To.Processes, func(Process, Process) bool { return false }, func(t, what string) {
		c := ProcessChange{Type: t}
		if what != "set" {
			c.From = line(d.From, t)
		}
		if what != "removed" {
			c.To = line(d.To, t)
		}
		if c.From != c.To {
			d.Processes = append(d.Processes, c)
		}
	})
	for _, c := range d.To.Crons {
		if !slices.Contains(d.From.Crons, c) {
			d.CronsAdded = append(d.CronsAdded, c)
		}
	}
	for _, c := range d.From.Crons {
		if !slices.Contains(d.To.Crons, c) {
			d.CronsGone = append(d.CronsGone, c)
		}
	}
}

func (s *Service) compareCommits(ctx context.Context, d *ReleaseDiff) error {
	from, to := d.From.Commit, d.To.Commit
	if from == to || to == "" {
		return nil
	}
	came, more, err := s.repos.Log(ctx, d.To.AppID, from, to, MaxDiffCommits)
	if err == nil && from != "" {
		var moreGone bool
		d.Gone, moreGone, err = s.repos.Log(ctx, d.To.AppID, to, from, MaxDiffCommits)
		more = more || moreGone
	}
	if IsID(err, ErrNotFound) {
		d.CommitsLost = true
		return nil
	}
	d.Commits, d.More = came, more
	return err
}

// Retry starts a deploy of the newest release once more, which must have
// failed: its image, config, process types and files. "" is the newest.
func (s *Service) Retry(ctx context.Context, actor Actor, app, ident string) (Deploy, error) {
	a, err := s.app(ctx, actor, app, PermDeploy)
	if err != nil {
		return Deploy{}, err
	}
	list, err := s.store.Releases(ctx, a.ID, Page{Max: 1, Desc: true})
	if err != nil || len(list) == 0 {
		return Deploy{}, err
	}
	newest := list[0]
	r := newest
	if ident != "" {
		if r, err = s.release(ctx, a, ident); err != nil {
			return Deploy{}, err
		}
	}
	if err := retriable(a, r, newest); err != nil {
		return Deploy{}, err
	}
	d, err := s.queue(ctx, Deploy{AppID: a.ID, Kind: KindRetry, UserID: actor.ID, Source: r.ID, Description: "Retry of " + r.Name()}, nil)
	if err != nil {
		return Deploy{}, err
	}
	return s.awaitRelease(ctx, d)
}

func retriable(a App, r, newest Release) error {
	next := "See which there are: paas releases -a " + a.Name
	switch {
	case r.Status == ReleasePending:
		return &Error{ID: ErrConflict, Message: r.Name() + " is still on its way. Nothing was changed.", Next: "See: paas deploys -a " + a.Name}
	case r.Status == ReleaseSucceeded:
		return &Error{ID: ErrInvalid, Message: r.Name() + " did not fail, so there is nothing to try again. Nothing was changed.", Next: "To go back to it: paas rollback " + r.Name() + " -a " + a.Name}
	case r.ID != newest.ID:
		return &Error{ID: ErrInvalid, Message: "Only the newest release can be tried again: " + newest.Name() + ", not " + r.Name() + ". Nothing was changed.", Next: next}
	case r.Image.Digest == "":
		return &Error{ID: ErrInvalid, Message: r.Name() + " has no code to run. Nothing was changed.", Next: next}
	}
	return nil
}

// Name is "v12".
func (r Release) Name() string { return fmt.Sprintf("v%d", r.Version) }
