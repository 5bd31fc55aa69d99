package buildkit

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/moby/buildkit/client"
	digest "github.com/opencontainers/go-digest"
)

func vertex(name string, from, to int, cached bool) *client.Vertex {
	base := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	start := base.Add(time.Duration(from) * time.Millisecond)
	v := &client.Vertex{Digest: digest.FromString(name), Name: name, Started: &start, Cached: cached}
	if to > 0 {
		end := base.Add(time.Duration(to) * time.Millisecond)
		v.Completed = &end
	}
	return v
}

func logOf(name, text string) *client.VertexLog {
	return &client.VertexLog{Vertex: digest.FromString(name), Data: []byte(text)}
}

func TestDisplay(t *testing.T) {
	const build, test = "[build 2/3] RUN go build", "[test 1/1] RUN go test"
	var out bytes.Buffer
	d := newDisplay(&out, 1<<20)
	for _, s := range []*client.SolveStatus{
		{Vertexes: []*client.Vertex{vertex("[internal] load build definition", 0, 1, false)}},
		{Vertexes: []*client.Vertex{vertex("[1/3] FROM debian", 1, 2, true)}},
		{Vertexes: []*client.Vertex{vertex(build, 3, 0, false), vertex(test, 3, 0, false)}},
		{Logs: []*client.VertexLog{logOf(build, "one\ntw"), logOf(test, "other\n"), logOf(build, "o\n"), logOf(build, "no end")}},
		{Vertexes: []*client.Vertex{vertex(build, 3, 3203, false), vertex(test, 3, 900, false)}},
		{Vertexes: []*client.Vertex{vertex("exporting to image", 3300, 3400, false)}},
	} {
		d.update(s)
	}
	d.finish()
	want := strings.Join([]string{
		"[1/3] FROM debian CACHED",
		build, "one", test, "other", build + " (continued)", "two", "no end",
		"[build 2/3] done in 3.2s", "",
	}, "\n"+indent)
	if got := out.String(); got != indent+strings.TrimSuffix(want, indent) {
		t.Errorf("got:\n%s\nwant:\n%s", got, indent+want)
	}
}

func TestCleanLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext":                  "plain\ttext",
		"\x1b[31mred\x1b[0m":           "\x1b[31mred\x1b[0m\x1b[0m",
		"10%\r50%\r100%":               "100%",
		"end\r":                        "end",
		"\x1b]0;title\x07x":            "x",
		"\x1b]8;;http://a\x1b\\link":   "link",
		"\x1b[2J\x1b[Hclear":           "clear",
		"bell\x07 back\x08 del\x7f":    "bell back del",
		"c1 \u009b31m":                 "c1 31m",
		"bad \xff byte":                "bad \ufffd byte",
		"\x1b":                         "",
		"\x1b[":                        "",
		"\x1b[?25lhidden cursor":       "hidden cursor",
		"\x1b[38;5;1mcolour \x1bcgone": "\x1b[38;5;1mcolour gone\x1b[0m",
	} {
		if got := cleanLine(in); got != want {
			t.Errorf("cleanLine(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzCleanLine(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[31mred", "\x1b]0;t\x07x", "a\rb", "\xff\x9b", "\x1b[", "\x1bP\x1b\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := cleanLine(s)
		if !utf8.ValidString(got) {
			t.Fatalf("%q is not UTF-8", got)
		}
		for rest := got; rest != ""; {
			if rest[0] == 0x1b {
				n, colour := escape(rest)
				if !colour {
					t.Fatalf("%q keeps a control sequence", got)
				}
				rest = rest[n:]
				continue
			}
			r, n := utf8.DecodeRuneInString(rest)
			if r != '\t' && (r < 0x20 || (r >= 0x7f && r <= 0x9f)) {
				t.Fatalf("%q keeps the control character %#x", got, r)
			}
			rest = rest[n:]
		}
	})
}

func FuzzLineCutter(f *testing.F) {
	f.Add([]byte("a\nb"), []byte("c\n\n"))
	f.Add(bytes.Repeat([]byte("x"), 2*maxLine), []byte("\n"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var c lineCutter
		lines := 0
		emit := func(s string) {
			lines++
			if strings.Contains(s, "\n") || len(s) > 3*maxLine+8 {
				t.Fatalf("line of %d bytes", len(s))
			}
		}
		c.write(a, emit)
		c.write(b, emit)
		if want := bytes.Count(a, []byte("\n")) + bytes.Count(b, []byte("\n")); lines != want {
			t.Fatalf("%d lines, want %d", lines, want)
		}
	})
}

func TestExplainKnowsWhoseErrorItIs(t *testing.T) {
	for text, want := range map[string]string{
		"failed to resolve source metadata for docker.io/library/x:1: docker.io/library/x:1: not found":                                     "base image x:1 not found",
		"a: failed to resolve source metadata for ghcr.io/a/b:1: failed to do request: dial tcp: no route to host":                          "base image ghcr.io/a/b:1 could not be fetched",
		"failed to resolve source metadata for docker.io/a/b:1: pull access denied, repository does not exist or may require authorization": "base image a/b:1 not found",
	} {
		if f := baseImage(text); f == nil || f.Reason != want {
			t.Errorf("baseImage(%q) = %+v, want %q", text, f, want)
		}
	}
	if got := reason(`process "/bin/sh -c go build ./... && x" did not complete successfully: exit code: 2`); got != "RUN go build ./... && x failed with exit code 2" {
		t.Errorf("reason = %q", got)
	}
	if got := mib(2<<30 + 1); got != "2049 MiB" {
		t.Errorf("mib = %s", got)
	}
}
