package router

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestLogLineIsHerokus(t *testing.T) {
	e := logEntry{
		method: "GET", path: "/a?b=c", host: "app.example.com", requestID: "8601b555-6a83-4c12-8269-97c8e32cdb22", fwd: "204.204.204.204",
		dyno: "web.1", connect: time.Millisecond, service: 18 * time.Millisecond, status: 200, bytes: 13, protocol: "https",
	}
	want := `at=info method=GET path="/a?b=c" host=app.example.com request_id=8601b555-6a83-4c12-8269-97c8e32cdb22 fwd="204.204.204.204" dyno=web.1 connect=1ms service=18ms status=200 bytes=13 protocol=https`
	if got := e.line(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	e.failure, e.dyno, e.connect, e.service, e.status, e.bytes = failureOf("H14"), "", -1, -1, 503, 0
	want = `at=error code=H14 desc="No web processes running" method=GET path="/a?b=c" host=app.example.com request_id=8601b555-6a83-4c12-8269-97c8e32cdb22 fwd="204.204.204.204" dyno= connect= service= status=503 bytes=0 protocol=https`
	if got := e.line(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLogLineOfARealRequest(t *testing.T) {
	g := newRig(t, Config{})
	app, _ := newApp(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("Hello, world!")) })
	g.serve(t, 1, appRoute(app))
	g.get(t, "/hi?x=1")
	line := g.lines.await(t, "/hi")
	want := regexp.MustCompile(`^at=info method=GET path="/hi\?x=1" host=app\.test request_id=[0-9a-f-]{36} fwd="127\.0\.0\.1" dyno=web\.1 connect=\d+ms service=\d+ms status=200 bytes=13 protocol=http$`)
	if !want.MatchString(line) {
		t.Errorf("line %s", line)
	}
}

func TestHostilePathCannotForgeALogField(t *testing.T) {
	g := newRig(t, Config{})
	app, _ := newApp(t, echoHead)
	g.serve(t, 1, appRoute(app))
	c := g.dial(t)
	write(t, c, "GET /\"dyno=web.9\\\x80\xff%0a<>?\"at=error HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
	line := g.lines.await(t, "at=info")
	if !strings.Contains(line, `path="/%22dyno=web.9%5C%80%FF%0a<>?%22at=error" host=app.test`) {
		t.Errorf("line %s", line)
	}
}

var wellFormed = regexp.MustCompile(`^at=(info|error code=H\d\d desc="[A-Za-z ]+") method=[A-Za-z0-9._:%\[\]-]* path="[!#-\[\]-~]*" host=[A-Za-z0-9._:%\[\]-]* request_id=[A-Za-z0-9._:%\[\]-]* fwd="[!#-\[\]-~]*" dyno=[A-Za-z0-9._:%\[\]-]* connect=(\d+ms)? service=(\d+ms)? status=\d+ bytes=\d+ protocol=https?$`)

func FuzzLogLine(f *testing.F) {
	f.Add("GET", "/", "app.test", "id", "1.2.3.4")
	f.Add("G\"T", "/\" at=error code=H99", "a b\nc", "\x00\x1b[31m", "::1\" dyno=web.9")
	f.Add("", strings.Repeat("/é", 5000), "[::1]:80", "=", "\u202e")
	f.Fuzz(func(t *testing.T, method, path, host, id, fwd string) {
		e := logEntry{method: method, path: path, host: host, requestID: id, fwd: fwd, connect: -1, service: -1, status: 200, protocol: "http"}
		line := e.line()
		if !wellFormed.MatchString(line) {
			t.Fatalf("forged: %q", line)
		}
		if len(path) > maxLogPath {
			return
		}
		_, rest, _ := strings.Cut(line, `path="`)
		quoted, _, _ := strings.Cut(rest, `"`)
		if !strings.Contains(path, "%") {
			if back, err := url.PathUnescape(quoted); err != nil || back != path {
				t.Fatalf("%q was logged as %q", path, quoted)
			}
		}
	})
}
