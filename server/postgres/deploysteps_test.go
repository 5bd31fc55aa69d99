package postgres_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"paas/builder"
	"paas/server"
)

// TestDeployHistory follows what a page of a deploy is made from.
func TestDeployHistory(t *testing.T) {
	w := newWorld(t, time.Minute)
	var told []string
	ctx, stop := context.WithCancel(w.ctx)
	heard := make(chan string, 100)
	listening := make(chan error, 1)
	go func() { listening <- w.Listen(ctx, func(topic string) { heard <- topic }) }()
	defer func() { stop(); <-listening }()
	w.must(w.Ping(w.ctx))
	for told = nil; !slices.Contains(told, server.NoticeAll); { // it listens
		told = append(told, <-heard)
	}

	d, err := w.CreateDeploy(w.ctx, server.Deploy{ID: uuid.NewString(), AppID: w.app.ID, Kind: server.KindPush, UserID: w.user.ID,
		Ref: "refs/heads/main", Old: "0", Commit: "aaaaaaaa", Subject: "Sell more", Description: "Deploy aaaaaaaa"}, nil)
	w.must(err)
	if d.Subject != "Sell more" {
		t.Errorf("subject %q", d.Subject)
	}
	for topic := range heard { // who watches the app sees it come
		if topic == server.AppTopic(w.app.ID) {
			break
		}
	}
	claimed := w.claim("one")
	w.must(w.Built(w.ctx, *claimed, "one", server.Image{Digest: "sha256:a"}, builder.Manifest{}))
	events, err := w.DeployEvents(w.ctx, w.app.ID, d.ID)
	w.must(err)
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.Kind)
		if e.Deploy != d.ID || e.At.IsZero() {
			t.Errorf("%+v", e)
		}
	}
	if !slices.Equal(kinds, []string{"deploy.queued", "build.started", "build.succeeded"}) {
		t.Errorf("kinds %v", kinds)
	}
	b, err := w.Build(w.ctx, w.app.ID, claimed.BuildID)
	w.must(err)
	if b.Subject != "Sell more" {
		t.Errorf("subject of the build %q", b.Subject)
	}
	if list, err := w.DeployEvents(w.ctx, w.newApp("other").ID, d.ID); err != nil || len(list) != 0 {
		t.Errorf("of another app: %v %v", list, err)
	}
}

// TestDeploysAndBuildsArePaged goes through lists two at a time.
func TestDeploysAndBuildsArePaged(t *testing.T) {
	w := newWorld(t, time.Minute)
	for _, c := range []string{"aaaaaaaa", "bbbbbbbb", "cccccccc"} {
		d := w.roll("one", c)
		w.live(d, "one")
	}
	var commits []string
	for after := ""; ; {
		list, err := w.Deploys(w.ctx, w.app.ID, server.Page{Max: 2, After: after})
		w.must(err)
		for _, d := range list {
			commits, after = append(commits, d.Commit), d.ID
		}
		if len(list) < 2 {
			break
		}
	}
	if want := []string{"cccccccc", "bbbbbbbb", "aaaaaaaa"}; !slices.Equal(commits, want) {
		t.Errorf("deploys %v", commits)
	}
	commits = nil
	for after := ""; ; {
		list, err := w.Builds(w.ctx, w.app.ID, server.Page{Max: 2, After: after})
		w.must(err)
		for _, b := range list {
			commits, after = append(commits, b.Commit), b.ID
		}
		if len(list) < 2 {
			break
		}
	}
	if want := []string{"cccccccc", "bbbbbbbb", "aaaaaaaa"}; !slices.Equal(commits, want) {
		t.Errorf("builds %v", commits)
	}
	if list, err := w.Deploys(w.ctx, w.app.ID, server.Page{Max: 2, After: "nonsense"}); err != nil || len(list) != 0 {
		t.Errorf("behind nonsense: %v %v", list, err)
	}
}
