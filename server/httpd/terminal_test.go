package httpd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"paas/scheduler/agent"
	"paas/server"
	"paas/server/api"
	"paas/server/httpd/httpdtest"
)

// runner is a platform whose one-offs echo.
type runner struct {
	*httpdtest.Fake
	mu      sync.Mutex
	started []server.RunRequest
}

func (f *runner) StartRun(ctx context.Context, actor server.Actor, app string, r server.RunRequest) (server.Run, error) {
	a, err := f.App(ctx, actor, app)
	if err != nil {
		return server.Run{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = append(f.started, r)
	return server.Run{ID: "00000000-0000-4000-8000-0000000003e9", AppID: a.ID, App: a.Name, Type: "run", Ordinal: 1001, Command: r.Command,
		ReleaseID: "00000000-0000-4000-8000-000000000001", Release: 3, Size: "Standard-1X", Attach: r.Attach, TTY: r.TTY, State: server.RunPending, UserID: actor.ID, User: actor.Email, CreatedAt: time.Now()}, nil
}

func (f *runner) Open(ctx context.Context, actor server.Actor, app, ident string, o server.OpenRequest, s agent.IO) (agent.SessionEnd, error) {
	if _, err := f.App(ctx, actor, app); err != nil {
		return agent.SessionEnd{}, err
	}
	fmt.Fprintf(s.Out, "%s %s %s\n", actor.Email, o.Kind, ident)
	_, err := io.Copy(s.Out, s.In)
	return agent.SessionEnd{ExitCode: 5, Err: err}, nil
}

func startRunner(t *testing.T) (*rig, *runner) {
	t.Helper()
	f := &runner{Fake: httpdtest.New()}
	r := &rig{t: t, fake: f.Fake, log: &lockedBuffer{}}
	srv, err := New(Config{Addr: "127.0.0.1:0", SocketPath: filepath.Join(t.TempDir(), "s"), WebURL: func(string) string { return "" },
		GitURL: func(string) string { return "" }}, f, slog.New(slog.NewTextHandler(r.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	r.srv, r.url = srv, srv.cfg.APIURL
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	r.do("POST", "/apps", `{"name":"shop"}`)
	return r, f
}

func TestCreateDyno(t *testing.T) {
	r, f := startRunner(t)
	h := readHeroku(t)
	a := r.do("POST", "/apps/shop/dynos", `{"command":"bash","attach":true,"size":"Standard-1X","env":{"A":"1"},"time_to_live":60}`)
	var d api.Dyno
	if err := json.Unmarshal(a.body, &d); err != nil || a.StatusCode != http.StatusCreated || d.Name != "run.1001" || d.State != "starting" || d.AttachURL == nil {
		t.Fatalf("%d %s %v", a.StatusCode, a.body, err)
	}
	h.check(t, h.target(t, "POST", "/apps/{}/dynos", ""), a.body)
	want := server.RunRequest{Command: "bash", Size: "Standard-1X", Env: map[string]string{"A": "1"}, Attach: true, TTY: true, TimeLimit: time.Minute}
	if got := f.started[0]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v", got)
	}
	a = r.do("POST", "/apps/shop/dynos", `{"type":"worker"}`)
	if f.started[1].Command != "worker" || !f.started[1].OfType || f.started[1].Attach || f.started[1].TTY || bytes.Contains(a.body, []byte("/terminals/")) {
		t.Errorf("%+v %s", f.started[1], a.body)
	}
	for body, status := range map[string]int{
		`{"command":"x","type":"worker"}`: 422, `{"command":"x","time_to_live":-1}`: 422, `{"command":"x","time_to_live":86401}`: 422,
		`{"type":"../x"}`: 422, `{"command":1}`: 422, `{`: 400,
	} {
		if a := r.do("POST", "/apps/shop/dynos", body); a.StatusCode != status {
			t.Errorf("%s: %d %s", body, a.StatusCode, a.body)
		}
	}
	if len(f.started) != 2 {
		t.Errorf("%d runs were started", len(f.started))
	}
}

// Whoever is not meant to see an app learns nothing of it here either, and what
// is no WebSocket is told so.
func TestTerminalRequests(t *testing.T) {
	r, _ := startRunner(t)
	for _, path := range []string{"attach", "exec?command=x", "forward?port=80", "forward"} {
		path = "/apps/shop/dynos/run.1001/" + path
		if a := r.do("GET", path, ""); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
		if a := r.as(httpdtest.OtherToken, "GET", path, ""); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s as another: %d %s", path, a.StatusCode, a.body)
		}
		_, res, err := websocket.Dial(t.Context(), r.url+path, nil)
		if err == nil || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s as nobody: %v", path, err)
		}
		as := func(token, origin string) *websocket.DialOptions {
			return &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}, "Origin": {origin}}}
		}
		if _, res, err = websocket.Dial(t.Context(), r.url+path, as(httpdtest.OtherToken, r.url)); err == nil || res.StatusCode != http.StatusNotFound {
			t.Errorf("%s as another: %v", path, err)
		}
		if _, res, err = websocket.Dial(t.Context(), r.url+path, as(httpdtest.Token, "https://evil.example")); err == nil || res.StatusCode != http.StatusForbidden {
			t.Errorf("%s from another site: %v", path, err)
		}
	}
}

func TestExecEnv(t *testing.T) {
	r, _ := startRunner(t)
	for token, status := range map[string]int{httpdtest.Token: http.StatusUnprocessableEntity, httpdtest.OtherToken: http.StatusNotFound} {
		if a := r.as(token, "GET", "/apps/shop/dynos/web.1/exec?command=x&env=bad", ""); a.StatusCode != status {
			t.Errorf("%s: %d %s", token, a.StatusCode, a.body)
		}
	}
}

// An attach_url is all that is needed, for what it was made for and no longer.
func TestAttachURL(t *testing.T) {
	r, _ := startRunner(t)
	var d api.Dyno
	if err := json.Unmarshal(r.do("POST", "/apps/shop/dynos", `{"command":"bash","attach":true}`).body, &d); err != nil {
		t.Fatal(err)
	}
	c, _, err := websocket.Dial(t.Context(), *d.AttachURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for _, f := range []api.Frame{{Channel: api.ChannelStdin, Data: []byte("hello")}, {Channel: api.ChannelEOF}} {
		if err := c.Write(t.Context(), websocket.MessageBinary, f.Encode()); err != nil {
			t.Fatal(err)
		}
	}
	var out []byte
	for {
		_, b, err := c.Read(t.Context())
		if err != nil {
			t.Fatalf("%v after %q", err, out)
		}
		f, err := api.ParseFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		if out = append(out, f.Data...); f.Channel == api.ChannelExit {
			if f.Exit.Code != 5 || f.Exit.Text != "" || string(out) != "ann@example.com attach "+d.ID+"\nhello" {
				t.Errorf("%+v %q", f.Exit, out)
			}
			break
		}
	}
	log := r.do("POST", "/apps/shop/log-sessions", `{}`)
	var ses api.LogSession
	if err := json.Unmarshal(log.body, &ses); err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(ses.LogplexURL, "/log-sessions/", "/terminals/", 1)
	for _, u := range []string{other, *d.AttachURL + "x", r.url + "/terminals/", r.url + "/terminals/x.y"} {
		if _, res, err := websocket.Dial(t.Context(), u, nil); err == nil || res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v", u, err)
		}
	}
	if a := r.do("GET", "/log-sessions/"+(*d.AttachURL)[strings.LastIndex(*d.AttachURL, "/")+1:], ""); a.StatusCode != http.StatusNotFound {
		t.Errorf("a ticket reads the log: %d", a.StatusCode)
	}
	if strings.Contains(r.log.String(), "terminals/ey") {
		t.Error("a ticket is in the log")
	}
}

// A client that does not keep to the format is cut off.
func TestTerminalNonsense(t *testing.T) {
	r, _ := startRunner(t)
	for name, message := range map[string][]byte{"channel": {9}, "exit": api.Frame{Channel: api.ChannelExit}.Encode(), "empty": {}, "long": make([]byte, api.MaxTerminalMessage+1)} {
		c, _, err := websocket.Dial(t.Context(), r.url+"/apps/shop/dynos/web.1/exec?command=x", &websocket.DialOptions{
			HTTPHeader: http.Header{"Authorization": {"Bearer " + httpdtest.Token}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Write(t.Context(), websocket.MessageBinary, message); err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, _, err = c.Read(t.Context())
		}
		c.CloseNow()
		_ = name
	}
}
