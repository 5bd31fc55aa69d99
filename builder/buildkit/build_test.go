package buildkit_test

import (
	"io/fs"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

const hello = "FROM scratch\nCOPY . /app/\nEXPOSE 8080\nUSER 1000\nENTRYPOINT [\"/app/run\"]\nCMD [\"serve\"]\n"

func TestBuildsAndDescribesTheImage(t *testing.T) {
	b := shared(t).builder(t)
	img, out := mustBuild(t, b, tree(map[string]string{"Dockerfile": hello, "run": "#!x", "dir/data": "42"}))
	if !strings.HasPrefix(img.Digest, "sha256:") || img.Size <= 0 || img.Port != 8080 || img.User != "1000" || img.Arch == "" ||
		strings.Join(img.Entrypoint, " ") != "/app/run" || strings.Join(img.Cmd, " ") != "serve" {
		t.Errorf("image = %+v", img)
	}
	if !strings.Contains(out, "       [1/1] COPY . /app/\n") {
		t.Errorf("output = %q", out)
	}
	got := shared(t).files(t, app(t), img.Digest)
	if got["app/run"] != "#!x" || got["app/dir/data"] != "42" {
		t.Errorf("files = %v", got)
	}
	file, err := shared(t).pull(t, app(t), img.Digest).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if rev := file.Config.Labels["org.opencontainers.image.revision"]; rev != strings.Repeat("c", 40) {
		t.Errorf("revision label = %q", rev)
	}
	version, err := b.Ping(t.Context())
	if err != nil || version == "" {
		t.Errorf("Ping = %q, %v", version, err)
	}
}

// counting counts the files that are opened, which is what is sent.
type counting struct {
	fstest.MapFS
	mu     sync.Mutex
	opened map[string]int
}

func (c *counting) Open(name string) (fs.File, error) {
	c.mu.Lock()
	c.opened[name]++
	c.mu.Unlock()
	return c.MapFS.Open(name)
}

func TestSecondBuildIsCachedAndSendsOnlyWhatChanged(t *testing.T) {
	b := shared(t).builder(t)
	files := map[string]string{"Dockerfile": hello, "run": "version 1", "a": "a", "b/c": "c"}
	first, _ := mustBuild(t, b, tree(files))

	src := &counting{MapFS: tree(files), opened: map[string]int{}}
	second, out := mustBuild(t, b, src)
	if second.Digest != first.Digest {
		t.Errorf("the same commit gave %s, then %s", first.Digest, second.Digest)
	}
	if !strings.Contains(out, "[1/1] COPY . /app/ CACHED") {
		t.Errorf("output = %q", out)
	}
	for _, name := range []string{"run", "a", "b/c"} {
		if src.opened[name] != 0 {
			t.Errorf("%s was sent again", name)
		}
	}

	files["run"] = "version 2" // the same size
	src = &counting{MapFS: tree(files), opened: map[string]int{}}
	third, _ := mustBuild(t, b, src)
	if src.opened["run"] != 1 || src.opened["a"] != 0 || src.opened["b/c"] != 0 {
		t.Errorf("sent: %v, want run only", src.opened)
	}
	if got := shared(t).files(t, app(t), third.Digest); got["app/run"] != "version 2" || got["app/a"] != "a" {
		t.Errorf("files = %v", got)
	}
}

func TestTreeWithoutTimesIsStillRight(t *testing.T) {
	b := shared(t).builder(t)
	timeless := func(body string) fstest.MapFS {
		return fstest.MapFS{"Dockerfile": {Data: []byte(hello)}, "run": {Data: []byte(body)}}
	}
	mustBuild(t, b, timeless("version 1"))
	img, _ := mustBuild(t, b, timeless("version 2"))
	if got := shared(t).files(t, app(t), img.Digest); got["app/run"] != "version 2" {
		t.Errorf("files = %v", got)
	}
}

func TestSymlinksStayLinks(t *testing.T) {
	src := tree(map[string]string{"Dockerfile": hello, "run": "x", "d/f": "y"})
	for name, target := range map[string]string{"inside": "run", "out": "../../etc/passwd", "abs": "/etc/passwd", "dir": "d", "loop": "loop"} {
		src[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777, ModTime: day}
	}
	img, _ := mustBuild(t, shared(t).builder(t), src)
	got := shared(t).files(t, app(t), img.Digest)
	for name, want := range map[string]string{
		"app/inside": "-> run", "app/out": "-> ../../etc/passwd", "app/abs": "-> /etc/passwd", "app/dir": "-> d", "app/loop": "-> loop", "app/d/f": "y",
	} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
}

func TestDockerignoreIsHonoured(t *testing.T) {
	src := &counting{MapFS: tree(map[string]string{
		"Dockerfile": hello, ".dockerignore": "secret*\n**/*.log\n!keep.log\n", "run": "x", "secret.key": "s", "d/x.log": "l", "keep.log": "k",
	}), opened: map[string]int{}}
	img, _ := mustBuild(t, shared(t).builder(t), src)
	got := shared(t).files(t, app(t), img.Digest)
	for _, name := range []string{"app/secret.key", "app/d/x.log"} {
		if _, ok := got[name]; ok {
			t.Errorf("%s is in the image", name)
		}
	}
	if got["app/keep.log"] != "k" || got["app/run"] != "x" {
		t.Errorf("files = %v", got)
	}
	if src.opened["secret.key"] != 0 {
		t.Error("secret.key left the server")
	}
}

func TestFilesInGoodOrderAndOddNames(t *testing.T) {
	files := map[string]string{"Dockerfile": hello}
	for _, name := range []string{"a.txt", "a/x", "a-b/y", "a/.z", "ü/é", "with space", "-rf", "new\nline", "tab\there", `back\slash`} {
		files[name] = name
	}
	img, _ := mustBuild(t, shared(t).builder(t), tree(files))
	got := shared(t).files(t, app(t), img.Digest)
	for name, body := range files {
		if got["app/"+name] != body {
			t.Errorf("%q = %q", name, got["app/"+name])
		}
	}
}

func TestRunStepsAndTheMirror(t *testing.T) {
	img, out := mustBuild(t, shared(t).builder(t), tree(map[string]string{
		"Dockerfile": "# syntax=docker/dockerfile:1\nFROM debian:bookworm-slim\nRUN [\"/tool\", \"print\", \"hello\", \"from RUN\"]\nCMD [\"/tool\"]\n",
	}))
	for _, want := range []string{"[1/2] FROM docker.io/library/debian:bookworm-slim", "[2/2] RUN [\"/tool\"", "       hello from RUN\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	if _, ok := shared(t).files(t, app(t), img.Digest)["tool"]; !ok {
		t.Error("the base image's file is not in the image")
	}
}

func TestRunStepsDoNotReachTheHostsLoopback(t *testing.T) {
	if shared(t).bkd.Network() != "bridge" {
		t.Fatalf("network = %s; the CNI plugins are needed: apt-get install containernetworking-plugins", shared(t).bkd.Network())
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, out := fails(t, shared(t).builder(t), tree(map[string]string{
		"Dockerfile": "FROM tool:1\nRUN [\"/tool\", \"dial\", \"" + ln.Addr().String() + "\"]\n",
	}))
	if !strings.Contains(out, "no way:") {
		t.Errorf("output = %q", out)
	}
}

func TestParallelBuildsOfOneApp(t *testing.T) {
	b := shared(t).builder(t)
	var wg sync.WaitGroup
	repo := app(t)
	for i := range 4 {
		files := map[string]string{"Dockerfile": hello, "run": strings.Repeat("x", 10) + string(rune('0'+i))}
		wg.Go(func() {
			img, out, err := build(t, b, tree(maps.Clone(files)))
			if err != nil {
				t.Errorf("%v\n%s", err, out)
				return
			}
			if got := shared(t).files(t, repo, img.Digest)["app/run"]; got != files["run"] {
				t.Errorf("image %d holds %q", i, got)
			}
		})
	}
	wg.Wait()
}

func TestLongOutputIsCut(t *testing.T) {
	cfg := shared(t).config()
	cfg.MaxOutput = 100 << 10
	_, out := mustBuild(t, newBuilder(t, cfg), tree(map[string]string{"Dockerfile": "FROM tool:1\nRUN [\"/tool\", \"flood\"]\n"}))
	if len(out) > 110<<10 || !strings.HasSuffix(out, "[the rest of the build's output is not shown]\n") {
		t.Errorf("%d bytes, ending in %q", len(out), out[max(0, len(out)-80):])
	}
}

func TestUncompressedLayers(t *testing.T) {
	cfg := shared(t).config()
	cfg.Compression = "uncompressed"
	img, _ := mustBuild(t, newBuilder(t, cfg), tree(map[string]string{"Dockerfile": hello, "run": strings.Repeat("z", 1<<20)}))
	if img.Size < 1<<20 {
		t.Errorf("size = %d, want more than 1 MiB", img.Size)
	}
}

func TestBuildsAreQuickWhenNothingChanged(t *testing.T) {
	b := shared(t).builder(t)
	src := tree(map[string]string{"Dockerfile": hello, "run": "x"})
	mustBuild(t, b, src)
	began := time.Now()
	mustBuild(t, b, src)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("a build without a change took %v", took)
	}
}
