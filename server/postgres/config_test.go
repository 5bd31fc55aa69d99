package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"paas/server"
)

func (w *world) stage(patch string) {
	w.t.Helper()
	w.must(w.Stage(w.ctx, w.app.ID, w.user.Email, "FOO", func(rows []server.StagedRow) ([]byte, error) {
		all := ""
		for _, r := range rows {
			all += string(r.Patch) + "+"
		}
		return []byte(all + patch), nil
	}))
}

func (w *world) waiting() string {
	w.t.Helper()
	rows, err := w.Staged(w.ctx, w.app.ID)
	w.must(err)
	var all []string
	for _, r := range rows {
		all = append(all, string(r.Patch))
	}
	return strings.Join(all, " ")
}

// takeStaged takes a deploy as far as its release, and gives what was staged in
// its draft.
func (w *world) takeStaged(owner string, d server.Deploy) (server.Deploy, string) {
	w.t.Helper()
	taken := ""
	out, err := w.WriteRelease(w.ctx, d, owner, func(ctx context.Context, dr server.Draft) (server.Content, error) {
		for _, r := range dr.Staged {
			taken += string(r.Patch) + ";"
		}
		c, err := draft(ctx, dr)
		c.Image.Digest = "sha256:abc"
		return c, err
	})
	w.must(err)
	return out, taken
}

// What is staged goes into the next release, is gone when that serves, and
// waits again, before what came since, when it fails.
func TestStagedConfig(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.stage("a")
	w.stage("b")
	if got := w.waiting(); got != "a+b" {
		t.Fatalf("staged: %s", got)
	}
	w.config()
	d, taken := w.takeStaged("one", *w.claim("one"))
	if taken != "a+b;" || w.waiting() != "" {
		t.Fatalf("taken %q, left %q", taken, w.waiting())
	}
	w.stage("c")
	_, err := w.Finish(w.ctx, d, "one", server.Outcome{State: server.DeployFailed, Stage: server.DeployRolling, Reason: "it crashed"})
	w.must(err)
	if got := w.waiting(); got != "a+b c" {
		t.Fatalf("after a failure: %q", got)
	}
	w.stage("d")
	if got := w.waiting(); got != "a+b+c+d" {
		t.Fatalf("merged: %q", got)
	}
	w.config()
	d, taken = w.takeStaged("one", *w.claim("one"))
	_, err = w.Finish(w.ctx, d, "one", server.Outcome{State: server.DeployLive})
	w.must(err)
	if taken != "a+b+c+d;" || w.waiting() != "" {
		t.Fatalf("taken %q, left %q", taken, w.waiting())
	}
	w.stage("e")
	w.must(w.Stage(w.ctx, w.app.ID, w.user.Email, "all", func([]server.StagedRow) ([]byte, error) { return nil, nil }))
	if got := w.waiting(); got != "" {
		t.Fatalf("unstaged: %q", got)
	}
	w.stage("f")
	err = w.Stage(w.ctx, w.app.ID, w.user.Email, "", func([]server.StagedRow) ([]byte, error) { return nil, errors.New("no") })
	if err == nil || w.waiting() != "f" {
		t.Fatalf("a refused change: %v, %q", err, w.waiting())
	}
}

// A rollback takes nothing with it.
func TestRollbackLeavesStagedConfig(t *testing.T) {
	w := newWorld(t, time.Minute)
	w.stage("a")
	v1, err := w.Release(w.ctx, w.app.ID, "1")
	w.must(err)
	_, err = w.CreateDeploy(w.ctx, server.Deploy{ID: "11111111-1111-4111-8111-111111111111", AppID: w.app.ID, Kind: server.KindRollback, UserID: w.user.ID, Source: v1.ID}, nil)
	w.must(err)
	d, _ := w.takeStaged("one", *w.claim("one"))
	_, err = w.Finish(w.ctx, d, "one", server.Outcome{State: server.DeployLive})
	w.must(err)
	if got := w.waiting(); got != "a" {
		t.Fatalf("staged: %q", got)
	}
}

func TestReleasesAreKept(t *testing.T) {
	w := newWorld(t, time.Minute)
	conn, err := pgx.Connect(w.ctx, w.dsn)
	w.must(err)
	defer conn.Close(w.ctx)
	for _, sql := range []string{
		`delete from releases where version = 1`,
		`update releases set version = 9 where version = 1`,
		`update releases set config = 'x' where version = 1`,
		`update releases set files = 'x' where version = 1`,
	} {
		if _, err := conn.Exec(w.ctx, sql); err == nil {
			t.Errorf("went through: %s", sql)
		}
	}
	w.must(w.DeleteApp(w.ctx, w.app.ID, w.user.Email))
	gone, err := w.DestroyedApps(w.ctx, []string{w.app.ID, uuid.NewString(), "not an id"})
	if w.must(err); !slices.Equal(gone, []string{w.app.ID}) {
		t.Errorf("destroyed: %v, want the one that was", gone)
	}
	if _, err := w.Release(w.ctx, w.app.ID, "1"); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("a release outlives its app: %v", err)
	}
}

func TestEachRelease(t *testing.T) {
	w := newWorld(t, time.Minute)
	for i := range 5 {
		w.config()
		d, _ := w.takeStaged("one", *w.claim("one"))
		o := server.Outcome{State: server.DeployLive}
		if i%2 == 1 {
			o = server.Outcome{State: server.DeployFailed, Stage: server.DeployRolling, Reason: "no"}
		}
		_, err := w.Finish(w.ctx, d, "one", o)
		w.must(err)
	}
	list := func(n int) (got string) {
		w.must(w.EachRelease(w.ctx, w.app.ID, n, func(r server.Release, config, files []byte) error {
			got += fmt.Sprintf("v%d:%s ", r.Version, r.Status[:1])
			if string(config) != "{}" || files != nil {
				t.Errorf("v%d: %q %q", r.Version, config, files)
			}
			return nil
		}))
		return got
	}
	// v1 s, v2 s, v3 f, v4 s, v5 f, v6 s; before the newest n the newest that served.
	if got := list(100); got != "v1:s v2:s v3:f v4:s v5:f v6:s " {
		t.Error(got)
	}
	if got := list(1); got != "v4:s v5:f v6:s " {
		t.Error(got)
	}
	if got := list(2); got != "v4:s v5:f v6:s " {
		t.Error(got)
	}
}

func TestRewrap(t *testing.T) {
	w := newWorld(t, time.Minute)
	other := w.newApp("other")
	n, err := w.Rewrap(w.ctx, "ann", "id", []byte("check"), func(id string, key []byte) ([]byte, error) { return []byte("new " + string(key) + id), nil })
	w.must(err)
	key, err := w.DataKey(w.ctx, other.ID)
	w.must(err)
	check, err := w.Setting(w.ctx, "master-key-check")
	w.must(err)
	if n != 2 || string(key) != "new key"+other.ID || string(check) != "check" {
		t.Fatalf("%d %q %q", n, key, check)
	}
	// One that does not open leaves all as it was.
	_, err = w.Rewrap(w.ctx, "ann", "id", []byte("other"), func(id string, key []byte) ([]byte, error) {
		if id == other.ID {
			return nil, errors.New("does not open")
		}
		return []byte("half"), nil
	})
	again, derr := w.DataKey(w.ctx, w.app.ID)
	w.must(derr)
	check, cerr := w.Setting(w.ctx, "master-key-check")
	w.must(cerr)
	if err == nil || string(again) != "new key"+w.app.ID || string(check) != "check" {
		t.Fatalf("%v %q %q", err, again, check)
	}
}
