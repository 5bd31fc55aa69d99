package web

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"paas/scheduler/agent"
	"paas/server"
	"paas/server/api"
)

// echo says what was opened and gives back what it gets.
func echo(_ context.Context, ident string, o server.OpenRequest, streams agent.IO) (agent.SessionEnd, error) {
	if size := <-streams.Resize; size.Cols != 100 {
		return agent.SessionEnd{}, server.Errorf(server.ErrInvalid, "The size is %v.", size)
	}
	_, _ = io.WriteString(streams.Out, strings.Join([]string{string(o.Kind), ident, o.Command, o.Env["TERM"]}, " ")+"\n")
	_, err := io.Copy(streams.Out, streams.In)
	return agent.SessionEnd{ExitCode: 7, Err: err}, nil
}

// door is the dashboard on a real port, under its own host name.
type door struct {
	*browser
	addr string
}

func newDoor(t *testing.T, f *running) *door {
	t.Helper()
	b := newBrowser(t, f)
	srv := httptest.NewServer(b.web)
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { defer close(ended); _ = b.web.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended; srv.Close() })
	return &door{b, srv.Listener.Addr().String()}
}

// ticket asks for a terminal.
func (d *door) ticket(pairs ...string) string {
	d.t.Helper()
	w := d.post("/apps/shop/terminal", pairs...)
	var a map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK || a["socket"] == "" {
		d.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return a["socket"]
}

// dial opens the WebSocket as a page of origin would.
func (d *door) dial(path, origin, cookie string) (*websocket.Conn, int) {
	d.t.Helper()
	h := http.Header{}
	if origin != "" {
		h.Set("Origin", origin)
	}
	if cookie != "" {
		h.Set("Cookie", d.web.cookieName()+"="+cookie)
	}
	c, res, err := websocket.Dial(d.t.Context(), "ws://"+d.addr+path+"?rows=30&cols=100", &websocket.DialOptions{HTTPHeader: h, Host: "paas.example.com"})
	if err == nil {
		d.t.Cleanup(func() { _ = c.CloseNow() })
		return c, http.StatusSwitchingProtocols
	}
	if res == nil {
		d.t.Fatal(err)
	}
	return nil, res.StatusCode
}

const own = "http://paas.example.com"

// frames reads until the session ends.
func frames(t *testing.T, c *websocket.Conn) (string, api.TerminalExit) {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), 20*time.Second)
	defer done()
	var out []byte
	for {
		_, b, err := c.Read(ctx)
		if err != nil {
			t.Fatalf("%v after %q", err, out)
		}
		f, err := api.ParseFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		if f.Channel == api.ChannelExit {
			return string(out), f.Exit
		}
		out = append(out, f.Data...)
	}
}

func TestTerminalInADyno(t *testing.T) {
	f := newRunning()
	f.session = echo
	d := newDoor(t, f)
	c, status := d.dial(d.ticket("dyno", "web.1", "command", "top -d 1"), own, fakeSecret)
	if status != http.StatusSwitchingProtocols {
		t.Fatal(status)
	}
	for _, fr := range []api.Frame{{Channel: api.ChannelStdin, Data: []byte("gr\xc3\xbc\xc3\x9fe \x00\xff")}, {Channel: api.ChannelEOF}} {
		if err := c.Write(t.Context(), websocket.MessageBinary, fr.Encode()); err != nil {
			t.Fatal(err)
		}
	}
	if out, exit := frames(t, c); out != "exec id-shop/web.1 top -d 1 xterm-256color\ngr\xc3\xbc\xc3\x9fe \x00\xff" || exit.Code != 7 || exit.Text != "" {
		t.Errorf("%q %+v", out, exit)
	}
}

func TestTerminalInAOneOff(t *testing.T) {
	f := newRunning()
	f.session = echo
	d := newDoor(t, f)
	path := d.ticket("dyno", "", "command", "", "size", "Standard-2X")
	if strings.Join(f.did, ";") != "run /bin/sh Standard-2X true true" {
		t.Error(f.did)
	}
	c, _ := d.dial(path, own, fakeSecret)
	if err := c.Write(t.Context(), websocket.MessageBinary, api.Frame{Channel: api.ChannelEOF}.Encode()); err != nil {
		t.Fatal(err)
	}
	if out, _ := frames(t, c); out != "attach id-shop/run-id  \n" {
		t.Errorf("%q", out)
	}
}

func TestTerminalTicketsAreUsedOnce(t *testing.T) {
	f := newRunning()
	f.session = echo
	d := newDoor(t, f)
	path := d.ticket("dyno", "web.1")
	if c, status := d.dial(path, own, fakeSecret); c == nil {
		t.Fatal(status)
	}
	for _, again := range []string{path, "/apps/shop/terminal/x"} {
		if _, status := d.dial(again, own, fakeSecret); status != http.StatusNotFound {
			t.Errorf("%s: %d", again, status)
		}
	}
	if w := d.get("/apps/shop/terminal/x"); w.Code == http.StatusOK || w.Code == http.StatusSwitchingProtocols {
		t.Errorf("a GET that is no WebSocket: %d", w.Code)
	}
}

// Another site's page can make a browser open a WebSocket with its cookies.
func TestTerminalsOfOtherSitesAreRefused(t *testing.T) {
	f := newRunning()
	f.session = func(context.Context, string, server.OpenRequest, agent.IO) (agent.SessionEnd, error) {
		t.Error("something was opened")
		return agent.SessionEnd{}, nil
	}
	d := newDoor(t, f)
	path := d.ticket("dyno", "web.1")
	for _, origin := range []string{"", "null", "http://evil.example", "http://shop.example.com", "http://paas.example.com.evil.example", "http://paas.example.com:8080", "file://paas.example.com"} {
		if _, status := d.dial(path, origin, fakeSecret); status != http.StatusForbidden {
			t.Errorf("%q: %d", origin, status)
		}
	}
	for _, cookie := range []string{"", "wrong"} {
		if _, status := d.dial(path, own, cookie); status != http.StatusUnauthorized {
			t.Errorf("cookie %q: %d", cookie, status)
		}
	}
}

// What goes wrong after the handshake is told on the WebSocket: no page learns
// what was answered to the handshake itself.
func TestTerminalTellsWhyItEnds(t *testing.T) {
	f := newRunning()
	d := newDoor(t, f)
	f.session = func(context.Context, string, server.OpenRequest, agent.IO) (agent.SessionEnd, error) {
		return agent.SessionEnd{}, server.Errorf(server.ErrUnauthorized, "You signed out, and what you had open was ended.")
	}
	c, _ := d.dial(d.ticket("dyno", "web.1"), own, fakeSecret)
	if _, exit := frames(t, c); !strings.Contains(exit.Text, "signed out") || exit.Code != 1 {
		t.Errorf("%+v", exit)
	}
}

// Closing the tab ends what runs.
func TestTerminalEndsWithItsTab(t *testing.T) {
	f := newRunning()
	began, ended := make(chan struct{}), make(chan struct{})
	f.session = func(ctx context.Context, _ string, _ server.OpenRequest, _ agent.IO) (agent.SessionEnd, error) {
		close(began)
		<-ctx.Done()
		close(ended)
		return agent.SessionEnd{}, ctx.Err()
	}
	d := newDoor(t, f)
	c, _ := d.dial(d.ticket("dyno", "web.1"), own, fakeSecret)
	<-began
	_ = c.CloseNow()
	<-ended
}

func TestTerminalTickets(t *testing.T) {
	ts := tickets{list: map[string]ticket{}}
	issue := func(session string) string {
		secret, err := ts.issue(ticket{session: session, app: "a", dyno: "web.1"})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	for _, c := range [][2]string{{"other", "a"}, {"mine", "b"}} {
		secret := issue("mine")
		for range 2 {
			if _, err := ts.take(secret, c[0], c[1]); err == nil {
				t.Errorf("%v took it", c)
			}
		}
		if _, err := ts.take(secret, "mine", "a"); err == nil {
			t.Error("a secret that got out is still good")
		}
	}
	for range maxOwnTickets {
		issue("mine")
	}
	if _, err := ts.issue(ticket{session: "mine"}); !server.IsID(err, server.ErrRate) {
		t.Errorf("one more: %v", err)
	}
	for secret, old := range ts.list {
		old.until = time.Now().Add(-time.Second)
		ts.list[secret] = old
	}
	if issue("mine"); len(ts.list) != 1 {
		t.Errorf("%d are kept", len(ts.list))
	}
}

var nonceIn = regexp.MustCompile(`data-nonce="([A-Z0-9]+)"`)

func TestTerminalPage(t *testing.T) {
	f := newRunning()
	b := newBrowser(t, f)
	w := b.get("/apps/shop/terminal?dyno=web.1")
	body, csp := w.Body.String(), w.Header().Get("Content-Security-Policy")
	if w.Code != http.StatusOK || !strings.Contains(body, "paas ps:exec -a shop -d web.1") || len(f.did) != 0 || strings.Contains(csp, "unsafe") {
		t.Fatalf("%d %s %s", w.Code, csp, body)
	}
	if b.web.assets.has("vendor/xterm.js") {
		m := nonceIn.FindStringSubmatch(body)
		if m == nil || !strings.Contains(csp, "style-src 'self' 'nonce-"+m[1]+"'") || strings.Contains(b.get("/apps/shop/terminal").Body.String(), m[1]) {
			t.Errorf("%v %s", m, csp)
		}
	}
	if w := b.get("/apps/shop/terminal?dyno=" + url.QueryEscape("<script>")); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "<script>") && !strings.Contains(w.Body.String(), "&lt;script") {
		t.Errorf("%d", w.Code)
	}
	delete(b.web.assets.files, "vendor/xterm.js") // as a plain go build has it
	b.page("/apps/shop/terminal", "make build", "paas run -a shop -- /bin/sh")
	f.may = []server.Permission{server.PermView, server.PermOperate}
	if w := b.get("/apps/shop/terminal"); w.Code != http.StatusForbidden {
		t.Errorf("who may not deploy: %d", w.Code)
	}
	if w := b.post("/apps/shop/terminal", "command", "sh"); w.Code != http.StatusForbidden || len(f.did) != 0 {
		t.Errorf("who may not deploy: %d %v", w.Code, f.did)
	}
}
