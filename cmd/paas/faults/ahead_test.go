package faults

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

const ballast = 100 << 20 // bytes of a layer that no other image has

// heavy is a developer's clone of an app whose image is large.
type heavy struct {
	*platformtest.Repo
	s *scene
}

func (s *scene) heavy(t *testing.T) *heavy {
	t.Helper()
	r := built.Repo(t, t.TempDir(), "FROM scratch\nCOPY app VERSION /\nCOPY ballast /\nENTRYPOINT [\"/app\"]\n")
	return &heavy{Repo: r, s: s}
}

// push deploys a version with other ballast than any before. It says on the
// first channel when the release is launched, and on the second when all is done.
func (h *heavy) push(t *testing.T, version, procfile string) (launched <-chan time.Time, done <-chan error) {
	t.Helper()
	f, err := os.Create(filepath.Join(h.Dir, "ballast"))
	platformtest.Must(err)
	_, err = io.CopyN(f, rand.Reader, ballast)
	platformtest.Must(err)
	platformtest.Must(f.Close())
	h.Write("Procfile", procfile)
	h.Commit(t, version)
	cmd := h.Command("push", "-f", "ssh://paas@"+h.s.ssh+"/shop.git", "main")
	said, err := cmd.StderrPipe()
	platformtest.Must(err)
	platformtest.Must(cmd.Start())
	at, over := make(chan time.Time, 1), make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(said)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "Launching v") {
				at <- time.Now()
			}
		}
		over <- cmd.Wait()
	}()
	return at, over
}

// engineSays is the lines that a command of the host's engine prints, none when it fails.
func (h *host) engineSays(args ...string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := h.Command(ctx, "docker", append([]string{"--host", h.Socket()}, args...)...).Output()
	if err != nil {
		return nil
	}
	return strings.Fields(string(out))
}

// images are the digests of those that the host's engine has.
func (h *host) images() []string {
	return h.engineSays("images", "--digests", "--format", "{{.Digest}}")
}

// image is the digest of what the host runs of the app.
func (h *host) image() string {
	for _, ref := range h.engineSays("ps", "--no-trunc", "--filter", "label=paas.app=shop", "--format", "{{.Image}}") {
		_, digest, _ := strings.Cut(ref, "@")
		return digest
	}
	return ""
}

// pulls are the images that the host's engine has fetched since.
func (h *host) pulls(t *testing.T, since time.Time) int {
	t.Helper()
	out := h.Run(t, "docker", "--host", h.Socket(), "events", "--since", since.Format(time.RFC3339Nano), "--until", time.Now().Format(time.RFC3339Nano),
		"--filter", "type=image", "--filter", "event=pull", "--format", "{{.ID}}")
	return len(strings.Fields(out))
}

// endRelease has the release command succeed.
func (s *scene) endRelease(t *testing.T) {
	t.Helper()
	machinetest.Await(t, time.Minute, "the release command running", func() bool {
		for _, h := range s.hosts {
			for _, name := range h.running("shop") {
				if strings.Contains(name, "release") {
					h.Run(t, "docker", "--host", h.Socket(), "kill", "--signal", "USR1", "--", name)
					return true
				}
			}
		}
		return false
	})
}

// serves is how long after its launch the first and the last dyno of a release serve.
func (s *scene) serves(t *testing.T, launched <-chan time.Time, done <-chan error, l *load) (first, all time.Duration) {
	t.Helper()
	known := l.seen()
	var at time.Time
	select {
	case at = <-launched:
	case err := <-done:
		t.Fatalf("git push: %v", err)
	case <-time.After(5 * time.Minute):
		t.Fatal("not launched")
	}
	machinetest.Await(t, 3*time.Minute, "serving", func() (ok bool) { first, ok = l.newcomer(at, known); return ok })
	machinetest.Await(t, 3*time.Minute, "all serving", func() bool { return len(l.seen()) >= len(known)+2 })
	all = time.Since(at)
	if err := <-done; err != nil {
		t.Fatalf("git push: %v", err)
	}
	return first, all
}

// spared waits until the host that runs nothing of the app has its image, too.
func (s *scene) spared(t *testing.T) (spare *host) {
	t.Helper()
	machinetest.Await(t, 2*time.Minute, "fetched by a spare host", func() bool {
		image := ""
		spare = nil
		for _, h := range s.hosts {
			if now := h.image(); now != "" {
				image = now
			} else {
				spare = h
			}
		}
		return spare != nil && image != "" && slices.Contains(spare.images(), image)
	})
	return spare
}

// A large image is there when it is needed: on the hosts of a release whose
// command runs, and on the one that takes what a lost host had.
func TestImagesAreFetchedAhead(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.must(t, "apps:create", "shop", "--no-remote")
	r := s.heavy(t)
	if _, done := r.push(t, "v1", "web: /app\n"); <-done != nil {
		t.Fatal("git push failed")
	}
	s.must(t, "ps:scale", "web=2", "-a", "shop")
	machinetest.Await(t, 2*time.Minute, "two dynos serving", func() bool { return len(s.lives("shop", 8)) == 2 })
	s.spared(t)
	l := s.load(t, "shop", 4)
	machinetest.Await(t, time.Minute, "under way", func() bool { return len(l.seen()) == 2 })

	had := map[*host]int{}
	for _, h := range s.hosts {
		if len(h.running("shop")) > 0 {
			had[h] = len(h.images())
		}
	}
	launched, done := r.push(t, "v2", "web: /app\nrelease: /app wait\n")
	machinetest.Await(t, 5*time.Minute, "fetched while the release command runs", func() bool {
		for h, n := range had {
			if len(h.images()) <= n {
				return false
			}
		}
		return len(had) == 2
	})
	s.endRelease(t)
	first, all := s.serves(t, launched, done, l)
	t.Logf("an image of %d MB fetched while the release command ran: the first dyno serves %s after the launch, the last %s", ballast>>20, first.Round(time.Millisecond), all.Round(time.Millisecond))
	launched, done = r.push(t, "v3", "web: /app\n")
	first, all = s.serves(t, launched, done, l)
	t.Logf("fetched when it is started: the first %s, the last %s", first.Round(time.Millisecond), all.Round(time.Millisecond))

	spare := s.spared(t)
	victim, _ := s.of(t, "shop")
	known := l.seen()
	event := time.Now()
	victim.Kill()
	var back time.Duration
	machinetest.Await(t, time.Minute, "serving elsewhere", func() (ok bool) { back, ok = l.newcomer(event, known); return ok })
	t.Logf("a host is lost: its dyno serves on the spare one after %s; %s", back.Round(time.Millisecond), l.end(event))
	if n := spare.pulls(t, event); n != 0 || len(spare.running("shop")) != 1 {
		t.Errorf("the spare host pulled %d images and runs %v", n, spare.running("shop"))
	}
}
