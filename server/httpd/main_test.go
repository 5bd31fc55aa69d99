package httpd

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/server"
	"paas/server/api"
	"paas/server/httpd/httpdtest"
)

// rig is a running API in front of a fake platform.
type rig struct {
	t    *testing.T
	fake *httpdtest.Fake
	srv  *Server
	url  string
	log  *lockedBuffer
	stop func()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func start(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, fake: httpdtest.New(), log: &lockedBuffer{}}
	cfg := Config{
		Addr:       "127.0.0.1:0",
		SocketPath: filepath.Join(t.TempDir(), "s"),
		WebURL:     func(app string) string { return "http://" + app + ".example.com/" },
		GitURL:     func(app string) string { return "ssh://paas@example.com:2222/" + app + ".git" },
		Sizes:      []server.Size{{Name: "Standard-1X", Memory: 512 << 20, MilliCPU: 1000}},
		Version:    api.Version{Version: "1.2.3"},
	}
	for _, c := range change {
		c(&cfg)
	}
	srv, err := New(cfg, r.fake, slog.New(slog.NewTextHandler(r.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	r.srv, r.url = srv, srv.cfg.APIURL
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// answer is what came back.
type answer struct {
	*http.Response
	body []byte
}

func (a answer) error(t *testing.T) api.Error {
	t.Helper()
	var e api.Error
	if err := json.Unmarshal(a.body, &e); err != nil {
		t.Fatalf("not an error body: %s", a.body)
	}
	return e
}

func (r *rig) do(method, path, body string, headers ...string) answer {
	r.t.Helper()
	return r.as(httpdtest.Token, method, path, body, headers...)
}

func (r *rig) as(token, method, path, body string, headers ...string) answer {
	r.t.Helper()
	ctx, done := context.WithTimeout(context.Background(), 20*time.Second)
	defer done()
	if !strings.HasPrefix(path, "http") {
		path = r.url + path
	}
	req, err := http.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Accept", api.ContentType)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{res, b}
}

// want fails the test when the status is another.
func (r *rig) want(a answer, code int) answer {
	r.t.Helper()
	if a.StatusCode != code {
		r.t.Fatalf("%s %s: %d, want %d: %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, code, a.body)
	}
	if a.Header.Get(api.HeaderRequestID) == "" {
		r.t.Errorf("%s %s: no Request-Id", a.Request.Method, a.Request.URL.Path)
	}
	return a
}

// pushed makes an app with three releases, one of them with code.
func (r *rig) pushed(name string) {
	r.t.Helper()
	r.want(r.do("POST", "/apps", `{"name":"`+name+`"}`), 201)
	r.fake.Push(name, strings.Repeat("c0ffee", 7)[:40])
	r.want(r.do("PATCH", "/apps/"+name+"/config-vars", `{"FOO":"bar"}`), 200)
	r.fake.Say(name, "app", "web.1", "hello")
}

func decodeAs[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}
