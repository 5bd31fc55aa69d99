package httpd

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"paas/server/api"
	"paas/server/httpd/httpdtest"
)

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// open begins to read a stream.
func (r *rig) open(url string, headers ...string) (*bufio.Reader, func()) {
	r.t.Helper()
	ctx, done := context.WithTimeout(context.Background(), 20*time.Second)
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	if res.StatusCode != 200 {
		r.t.Fatalf("%s: %d", url, res.StatusCode)
	}
	return bufio.NewReader(res.Body), func() { done(); res.Body.Close() }
}

func (r *rig) session(body string) string {
	r.t.Helper()
	a := r.want(r.do("POST", "/apps/shop/log-sessions", body), 201)
	return decodeAs[api.LogSession](r.t, a).LogplexURL
}

func TestLogSession(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	r.fake.Say("shop", "paas", "web.1", "State changed from starting to up")
	r.fake.Say("shop", "app", "worker.1", "\x1b[31mred\x1b[0m \x1b[2J\rend")
	for _, c := range []struct{ body, want string }{
		{`{}`, "hello|State changed|red"},
		{`{"lines":1}`, "red"},
		{`{"source":"heroku"}`, "State changed"},
		{`{"dyno":"web.1"}`, "hello|State changed"},
		{`{"dyno":"web"}`, "hello|State changed"},
		{`{"type":"worker"}`, "red"},
	} {
		a := r.want(r.as("", "GET", r.session(c.body), ""), 200)
		lines := strings.Split(strings.TrimSuffix(string(a.body), "\n"), "\n")
		want := strings.Split(c.want, "|")
		if len(lines) != len(want) {
			t.Errorf("%s: %q", c.body, lines)
			continue
		}
		for i := range want {
			if !strings.Contains(lines[i], want[i]) {
				t.Errorf("%s: line %d is %q", c.body, i, lines[i])
			}
		}
	}
	a := r.as("", "GET", r.session(`{"lines":1}`), "")
	if want := "2026-05-01T12:00:02.123456+00:00 app[worker.1]: \x1b[31mred\x1b[0m \\x1b[2J\\rend\n"; string(a.body) != want {
		t.Errorf("got %q, want %q", a.body, want)
	}
	a = r.as("", "GET", r.session(`{"lines":1}`), "", "Accept", "text/event-stream")
	if !strings.HasPrefix(string(a.body), "data: 2026-") || !strings.HasSuffix(string(a.body), "\n\n") {
		t.Errorf("event stream: %q", a.body)
	}
}

func TestLogSessionToken(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	url := r.session(`{"tail":false}`)
	base, token, _ := strings.Cut(url, "/log-sessions/")
	payload, sig, _ := strings.Cut(token, ".")
	for name, bad := range map[string]string{
		"no signature":  payload,
		"empty":         ".",
		"other payload": payload[:len(payload)-2] + "AA." + sig,
		"other key":     payload + "." + sig[:len(sig)-3] + "AAA",
		"junk":          "%ff.%00",
	} {
		if a := r.as("", "GET", base+"/log-sessions/"+bad, ""); a.StatusCode != 404 {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	old, err := r.srv.seal(session{App: "x", Until: time.Now().Unix()})
	if err != nil {
		t.Fatal(err)
	}
	if a := r.as("", "GET", base+"/log-sessions/"+old, ""); a.StatusCode != 404 {
		t.Errorf("expired: %d", a.StatusCode)
	}
	if a := r.as(token, "GET", "/account", ""); a.StatusCode != 401 {
		t.Errorf("the token of a log session opened the account: %d", a.StatusCode)
	}
	r.want(r.do("DELETE", "/apps/shop", ""), 200)
	if a := r.as("", "GET", url, ""); a.StatusCode != 404 {
		t.Errorf("log of an app that is gone: %d", a.StatusCode)
	}
	if strings.Contains(r.log.String(), payload) {
		t.Error("the token is in the log")
	}
}

func TestTail(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	in, hangUp := r.open(r.session(`{"tail":true}`))
	defer hangUp()
	for _, want := range []string{"hello", "more", "yet more"} {
		line, err := in.ReadString('\n')
		if err != nil || !strings.HasSuffix(line, ": "+want+"\n") {
			t.Fatalf("got %q %v, want %q", line, err, want)
		}
		if want == "hello" {
			r.fake.Say("shop", "app", "web.1", "more", "yet more")
		}
	}
	r.stop() // the server's end is the stream's, and it is not a clean one
	if _, err := in.ReadString('\n'); err == nil || err == io.EOF {
		t.Errorf("stream ended with %v", err)
	}
}

func TestDeployOutput(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	hold := make(chan struct{})
	r.fake.Hold = hold
	a := r.want(r.do("PATCH", "/apps/shop/config-vars", `{"A":"1"}`), 200)
	path := "/apps/shop/deploys/" + a.Header.Get(api.HeaderDeploy)
	d := decodeAs[api.Deploy](t, r.want(r.do("GET", path, ""), 200))
	if d.Status != "rolling" || d.Final() || d.Release == nil || d.Release.Version != 4 {
		t.Errorf("deploy is %+v", d)
	}
	in, hangUp := r.open(d.OutputStreamURL, "Authorization", "Bearer "+httpdtest.Token)
	defer hangUp()
	if line, err := in.ReadString('\n'); err != nil || line != "-----> Starting\n" {
		t.Fatalf("first line %q %v", line, err)
	}
	close(hold)
	rest, err := io.ReadAll(in)
	if err != nil || string(rest) != "-----> Ended: live \n" {
		t.Fatalf("rest %q %v", rest, err)
	}
	d = decodeAs[api.Deploy](t, r.want(r.do("GET", path, ""), 200))
	if d.Status != "live" || !d.Final() {
		t.Errorf("deploy is %+v", d)
	}
	all := decodeAs[[]api.Deploy](t, r.want(r.do("GET", "/apps/shop/deploys", "", "Range", "id ..; order=desc"), 200))
	if len(all) != 3 || all[0].ID != d.ID {
		t.Errorf("deploys: %+v", all)
	}
	r.want(r.do("GET", "/apps/shop/deploys/none/output", ""), 404)
}

func TestEvents(t *testing.T) {
	s := &stream{}
	for _, c := range []struct{ in, out, rest string }{
		{"one\ntw", "data: one\n\n", "tw"},
		{"o\r\n\n", "data: two\n\ndata: \n\n", ""},
		{strings.Repeat("x", 64<<10), "data: " + strings.Repeat("x", 64<<10) + "\n\n", ""},
	} {
		if out := string(s.events([]byte(c.in))); out != c.out || string(s.rest) != c.rest {
			t.Errorf("%.20q: %.40q, rest %q", c.in, out, s.rest)
		}
	}
}
