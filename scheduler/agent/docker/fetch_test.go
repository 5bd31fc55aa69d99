package docker_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"paas/scheduler/agent"
	"paas/scheduler/agent/docker"
)

// large is an image of our registry, of so many bytes that nobody has elsewhere.
func large(t *testing.T, size int64) (repo, digest string) {
	t.Helper()
	layer, err := random.Layer(size, types.DockerLayer)
	if err != nil {
		t.Fatal(err)
	}
	_, digest, _ = strings.Cut(push("large", layer, v1.Config{Entrypoint: []string{"/none"}}), "@")
	return "/large@", digest
}

// reaching is config for a registry behind another door.
func reaching(door string) docker.Config {
	cfg := config()
	cfg.RegistryAuth[door] = docker.Credentials{User: user, Password: secret}
	return cfg
}

// What is fetched ahead is there, without anything of it running; it is not
// asked for again; and a fetch that is given up ends at once.
func TestFetch(t *testing.T) {
	var asked atomic.Int64
	door := serveOn(t, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		registryDoor.ServeHTTP(w, r)
	}))
	r := newRuntime(t, reaching(door))
	repo, digest := large(t, 1<<20)
	ref := door + repo + digest
	t.Cleanup(func() { _, _ = engine(t).ImageRemove(context.Background(), ref, imageForce) })
	if err := r.Fetch(deadline(t), ref); err != nil {
		t.Fatal(err)
	}
	if _, err := engine(t).ImageInspect(deadline(t), ref); err != nil {
		t.Error("it is not there:", err)
	}
	before := asked.Load()
	if err := r.Fetch(deadline(t), ref); err != nil || asked.Load() != before {
		t.Errorf("asked for again: %v", err)
	}
	err := r.Fetch(deadline(t), door+"/large@sha256:"+strings.Repeat("0a", 32))
	if agent.KindOf(err) != agent.FaultLasting || !strings.Contains(err.Error(), "pull image") {
		t.Errorf("of what is not there: %v", err)
	}
}

func TestFetchIsGivenUp(t *testing.T) {
	begun, gone := make(chan struct{}, 10), make(chan struct{})
	door := serveOn(t, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/blobs/") {
			registryDoor.ServeHTTP(w, r)
			return
		}
		begun <- struct{}{}
		select { // a link that has broken off
		case <-r.Context().Done():
		case <-gone:
		}
	}))
	t.Cleanup(func() { close(gone) })
	r := newRuntime(t, reaching(door))
	repo, digest := large(t, 1<<20)
	ctx, giveUp := context.WithCancel(deadline(t))
	over := make(chan error, 1)
	go func() { over <- r.Fetch(ctx, door+repo+digest) }()
	<-begun
	giveUp()
	select {
	case err := <-over:
		if err == nil {
			t.Error("it was fetched")
		}
	case <-time.After(time.Minute):
		t.Error("it goes on")
	}
}
