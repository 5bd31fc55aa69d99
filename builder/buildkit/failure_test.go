package buildkit_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"paas/builder"
	"paas/builder/buildkit"
)

func TestFailuresOfThePusher(t *testing.T) {
	b := shared(t).builder(t)
	for what, tc := range map[string]struct {
		files  map[string]string
		reason string
		detail string
	}{
		"no-dockerfile":    {map[string]string{"run": "x"}, "no Dockerfile in the root of the commit", "file named Dockerfile"},
		"lower-case":       {map[string]string{"dockerfile": hello}, "no Dockerfile", "git mv dockerfile Dockerfile"},
		"directory":        {map[string]string{"Dockerfile/x": "x"}, "not a file", ""},
		"empty":            {map[string]string{"Dockerfile": ""}, "empty", ""},
		"parse":            {map[string]string{"Dockerfile": "FROM scratch\nRUNX foo\n"}, "line 2: unknown instruction: RUNX", ">>> RUNX foo"},
		"no-from":          {map[string]string{"Dockerfile": "RUN x\n"}, "no build stage", "RUN x"},
		"missing-file":     {map[string]string{"Dockerfile": "FROM scratch\nCOPY nothere /\n"}, `"/nothere": not found`, ">>> COPY nothere /"},
		"unknown-base":     {map[string]string{"Dockerfile": "FROM nosuch:1\n"}, "base image nosuch:1 not found", ">>> FROM nosuch:1"},
		"unknown-stage":    {map[string]string{"Dockerfile": "FROM scratch\nCOPY --from=127.0.0.1:1/x:1 /a /\n"}, "base image 127.0.0.1:1/x:1", "COPY --from"},
		"failing-run":      {map[string]string{"Dockerfile": "FROM tool:1\nRUN [\"/tool\", \"fail\"]\n"}, "RUN /tool fail failed with exit code 7", "   2 | >>> RUN"},
		"no-shell":         {map[string]string{"Dockerfile": "FROM tool:1\nRUN echo hi\n"}, "", ">>> RUN echo hi"},
		"other-apps-image": {map[string]string{"Dockerfile": "FROM " + shared(t).reg.Addr() + "/someone-else\nCMD [\"x\"]\n"}, "not found", ""},
		"bad-name":         {map[string]string{"Dockerfile": hello, "x\xff": "y"}, "not valid UTF-8", `x\xff`},
	} {
		t.Run(what, func(t *testing.T) {
			f, out := fails(t, b, tree(tc.files))
			if !strings.Contains(f.Reason, tc.reason) || strings.Contains(f.Reason, "\n") {
				t.Errorf("reason = %q, want %q", f.Reason, tc.reason)
			}
			if !strings.Contains(f.Detail, tc.detail) {
				t.Errorf("detail = %q, want %q", f.Detail, tc.detail)
			}
			if what == "failing-run" && !strings.Contains(out, "       tool: this cannot work\n") {
				t.Errorf("output = %q", out)
			}
		})
	}
}

// TestImageOfAnotherAppIsOutOfReach also when its layers are in buildkitd's
// cache and its digest is known.
func TestImageOfAnotherAppIsOutOfReach(t *testing.T) {
	b := shared(t).builder(t)
	victim := builder.Request{AppID: "victim", Commit: "c", Source: tree(map[string]string{"Dockerfile": hello, "run": "secret"})}
	img, err := b.Build(t.Context(), victim, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ref := shared(t).reg.Addr() + "/victim@" + img.Digest
	for _, dockerfile := range []string{"FROM " + ref + "\n", "FROM scratch\nCOPY --from=" + ref + " / /\n"} {
		for range 2 {
			f, _ := fails(t, b, tree(map[string]string{"Dockerfile": dockerfile}))
			if !strings.Contains(f.Reason, "base image") {
				t.Errorf("reason = %q", f.Reason)
			}
		}
	}
}

func TestImageAboveTheLimit(t *testing.T) {
	cfg := shared(t).config()
	cfg.MaxImageBytes = 3 << 20
	f, _ := fails(t, newBuilder(t, cfg), tree(map[string]string{"Dockerfile": "FROM tool:1\nRUN [\"/tool\", \"big\", \"xxxx\"]\n"}))
	if !strings.Contains(f.Reason, "larger than 3 MiB") || !strings.Contains(f.Detail, ".dockerignore") {
		t.Errorf("failure = %+v", f)
	}
}

// watch lets a test act when a line was shown.
type watch struct {
	buf  bytes.Buffer
	word string
	act  func()
}

func (w *watch) Write(p []byte) (int, error) {
	n, err := w.buf.Write(p)
	if w.act != nil && strings.Contains(w.buf.String(), w.word) {
		w.act()
		w.act = nil
	}
	return n, err
}

var waits = map[string]string{"Dockerfile": "FROM tool:1\nRUN [\"/tool\", \"wait\"]\n"}

func TestCancelEndsTheBuild(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("build exceeded 15 min")
	out := &watch{word: "waiting", act: func() { cancel(why) }}
	began := time.Now()
	_, err := shared(t).builder(t).Build(ctx, builder.Request{AppID: app(t), Commit: "c", Source: tree(waits)}, out)
	if !errors.Is(err, why) {
		t.Fatalf("err = %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v to end", took)
	}
}

func TestAudienceThatLeavesDoesNotEndTheBuild(t *testing.T) {
	r, w := io.Pipe()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := shared(t).builder(t).Build(t.Context(), builder.Request{AppID: app(t), Commit: "c",
		Source: tree(map[string]string{"Dockerfile": hello, "run": "x"})}, w)
	if err != nil {
		t.Fatal(err)
	}
}

func TestBuildkitdDown(t *testing.T) {
	cfg := shared(t).config()
	cfg.Addr, cfg.RetryWait = "unix://"+filepath.Join(t.TempDir(), "none.sock"), 200*time.Millisecond
	b := newBuilder(t, cfg)
	_, _, err := build(t, b, tree(map[string]string{"Dockerfile": hello, "run": "x"}))
	if !errors.Is(err, builder.ErrUnavailable) || !strings.Contains(err.Error(), "buildkitd at unix://") {
		t.Fatalf("err = %v", err)
	}
	if _, err := b.Ping(t.Context()); !errors.Is(err, builder.ErrUnavailable) {
		t.Fatalf("Ping: %v", err)
	}
}

func TestRegistryDown(t *testing.T) {
	cfg := shared(t).config()
	cfg.Registry = "127.0.0.1:1"
	_, out, err := build(t, newBuilder(t, cfg), tree(map[string]string{"Dockerfile": hello, "run": "x"}))
	if !errors.Is(err, builder.ErrUnavailable) || !strings.Contains(err.Error(), "registry at 127.0.0.1:1") {
		t.Fatalf("err = %v\n%s", err, out)
	}
}

func TestRegistryRefusesTheCredentials(t *testing.T) {
	cfg := shared(t).config()
	cfg.Auth = func(string) (string, string) { return "someone", "else" }
	_, _, err := build(t, newBuilder(t, cfg), tree(map[string]string{"Dockerfile": hello, "run": "x"}))
	var f *builder.Failure
	if err == nil || errors.As(err, &f) || !strings.Contains(err.Error(), cfg.Registry) {
		t.Fatalf("err = %v", err)
	}
}

func TestBuildkitdKilledDuringABuildAndCacheKept(t *testing.T) {
	h := own(t, 2)
	b := h.builder(t)
	src := tree(map[string]string{"Dockerfile": "FROM tool:1\nCOPY run /\nRUN [\"/tool\", \"print\", \"once\"]\n", "run": "x"})
	first, _ := mustBuild(t, b, src)

	// Killed in the middle of a build, it is started again and the build too.
	killed := &watch{word: "waiting", act: func() { _ = syscall.Kill(h.bkd.PID(), syscall.SIGKILL) }}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	again := &watch{word: "building once more", act: func() { cancel(errors.New("seen")) }}
	_, err := b.Build(ctx, builder.Request{AppID: app(t), Commit: "c", Source: tree(waits)}, io.MultiWriter(killed, again))
	if err == nil || !strings.Contains(err.Error(), "seen") {
		t.Fatalf("err = %v\n%s", err, again.buf.String())
	}

	second, out := mustBuild(t, b, src)
	if second.Digest != first.Digest || !strings.Contains(out, "[3/3] RUN [\"/tool\", \"print\", \"once\"] CACHED") {
		t.Errorf("the cache was lost: %s, then %s\n%s", first.Digest, second.Digest, out)
	}
}

func TestNewRefuses(t *testing.T) {
	for what, cfg := range map[string]buildkit.Config{
		"registry":    {Addr: "unix:///x", Registry: "nowhere"},
		"compression": {Addr: "unix:///x", Registry: "127.0.0.1:1", Compression: "rar"},
	} {
		if _, err := buildkit.New(cfg, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("bad %s was accepted", what)
		}
	}
}
