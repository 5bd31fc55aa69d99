package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"crypto/tls"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
	"paas/server/fleet"
)

func TestJoinTwiceIsOneHost(t *testing.T) {
	s := newScene(t, agenttest.NewControl(), fleet.Config{})
	dir := filepath.Join(t.TempDir(), "agent")
	s.hosts.invite("token-a", "a")
	first, err := fleet.Join(t.Context(), s.joining(dir, "a"), someMachine())
	if err != nil {
		t.Fatal(err)
	}
	if j := s.hosts.announced[0]; j.MilliCPU != 2000 || j.Addr != "10.9.8.7" || j.Engine != "20.10" || len(j.Key) != 32 {
		t.Errorf("%+v", j)
	}
	have, err := fleet.ReadIdentity(dir)
	if err != nil || have.Host != "id-a" || have.Name != "a" || !have.Joined() {
		t.Fatalf("%+v %v", have, err)
	}
	if err := fleet.Member(t.Context(), have, someMachine()); err != nil {
		t.Error(err)
	}
	// The answer got lost: the key is the same, the token spent.
	lost := have
	lost.Host, lost.Certificate = "", nil
	writeIdentity(t, dir, lost)
	again, err := fleet.Join(t.Context(), s.joining(dir, "a"), someMachine())
	if err != nil || again.Host != first.Host || !bytes.Equal(again.Key, first.Key) {
		t.Errorf("%+v %v", again, err)
	}
	// Another machine with the same token.
	_, err = fleet.Join(t.Context(), s.joining(filepath.Join(t.TempDir(), "b"), "a"), someMachine())
	var refused *fleet.Refusal
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized || !strings.Contains(err.Error(), "used") {
		t.Error(err)
	}
}

func TestJoinsNobodyElse(t *testing.T) {
	s, other := newScene(t, agenttest.NewControl(), fleet.Config{}), newScene(t, agenttest.NewControl(), fleet.Config{})
	dir := filepath.Join(t.TempDir(), "agent")
	other.hosts.invite("token-a", "a")
	j := s.joining(dir, "a")
	j.Server = other.addr
	if _, err := fleet.Join(t.Context(), j, someMachine()); !errors.Is(err, fleet.ErrImpostor) {
		t.Error(err)
	}
	if len(other.hosts.announced) != 0 {
		t.Error("it was told the token")
	}
	if _, err := fleet.ReadIdentity(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestJoinsAreRare(t *testing.T) {
	s := newScene(t, agenttest.NewControl(), fleet.Config{JoinsPerMinute: 3})
	var refused *fleet.Refusal
	for try := range 5 {
		_, err := fleet.Join(t.Context(), s.joining(filepath.Join(t.TempDir(), "x"), "none"), someMachine())
		want := http.StatusUnauthorized
		if try >= 3 {
			want = http.StatusTooManyRequests
		}
		if !errors.As(err, &refused) || refused.Status != want {
			t.Errorf("try %d: %v", try, err)
		}
	}
}

// ask sends a request the way anybody on the network can.
func (s *scene) ask(c *tls.Config, method, path, body string) (int, string) {
	s.t.Helper()
	t := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}
	defer t.CloseIdleConnections()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "https://"+s.addr+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	a, err := t.RoundTrip(r)
	if err != nil {
		s.t.Fatal(method, path, err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return a.StatusCode, string(text)
}

// shows is the TLS of somebody who has an identity, and trusts anybody.
func shows(t *testing.T, dir string) *tls.Config {
	id, err := fleet.ReadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	return shown(t, id)
}

func shown(t *testing.T, id fleet.Identity) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &tls.Certificate{Certificate: [][]byte{id.Certificate}, PrivateKey: privateKey(t, id)}, nil
	}}
}

func TestStrangersGetNothing(t *testing.T) {
	s, other := newScene(t, agenttest.NewControl(), fleet.Config{}), newScene(t, agenttest.NewControl(), fleet.Config{})
	own, foreign := s.join("a"), other.join("a")
	removed := s.join("b")
	s.hosts.remove("id-b")
	paths := []string{"POST /v1/beat", "GET /v1/assignments", "POST /v1/report", "POST /v1/logs", "GET /v1/cursor?instance=1", "POST /v1/usage",
		"GET /v1/sessions", "POST /v1/sessions/x", "GET /v2/", "POST /v1/announce", "POST /v1/renew", "POST /v1/rekey"}
	for _, p := range paths {
		method, path, _ := strings.Cut(p, " ")
		if code, body := s.ask(&tls.Config{InsecureSkipVerify: true}, method, path, "{}"); code != http.StatusUnauthorized {
			t.Errorf("%s without a certificate: %d %s", p, code, body)
		}
		if code, body := s.ask(shows(t, foreign), method, path, "{}"); code != http.StatusUnauthorized {
			t.Errorf("%s with one of another control plane: %d %s", p, code, body)
		}
		if code, body := s.ask(shows(t, removed), method, path, "{}"); code != http.StatusForbidden {
			t.Errorf("%s of a host that was removed: %d %s", p, code, body)
		}
	}
	if code, body := s.ask(shows(t, own), "POST", "/v1/beat", `{"At":"2026-01-01T00:00:00Z"}`); code != http.StatusOK {
		t.Error(code, body)
	}
	if code, _ := s.ask(shows(t, own), "POST", "/v1/beat", strings.Repeat(" ", 1<<20)); code != http.StatusRequestEntityTooLarge {
		t.Error(code)
	}
	if code, _ := s.ask(shows(t, own), "POST", "/v1/sessions/none", ""); code != http.StatusNotFound {
		t.Error(code)
	}
	// A store that is away makes nobody a stranger, and nobody a host.
	s.hosts.fail(errors.New("database unavailable"))
	if code, _ := s.ask(shows(t, own), "POST", "/v1/beat", "{}"); code != http.StatusServiceUnavailable {
		t.Error(code)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	s := newScene(t, agenttest.NewControl(), fleet.Config{})
	c, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, MinVersion: tls.VersionTLS12}}).DialContext(t.Context(), "tcp", s.addr)
	if err == nil {
		_ = c.Close()
		t.Error("TLS 1.2 was taken")
	}
}

// A host that was broken into writes in no other app's log, pulls no other
// app's image and takes up no other host's session.
func TestHostsAreHeardOnTheirOwn(t *testing.T) {
	plane := agenttest.NewControl()
	reg := newRegistry(t)
	s := newScene(t, plane, fleet.Config{Registry: fleet.Registry{URL: reg.URL, User: "root", Password: "secret"}})
	dir := s.join("a")
	c, _ := s.client(dir)
	sets := c.Watch(t.Context(), "")
	if code, _ := s.ask(shows(t, dir), "POST", "/v1/logs", `{"lines":[{"i":"mine","x":"eA=="}]}`); code != http.StatusServiceUnavailable {
		t.Error("before the first set:", code)
	}
	plane.Set(agent.Assignment{ID: "mine", AppID: "app-1", Name: "web.1"}, agent.Assignment{ID: "soon", AppID: "app-3", Image: "127.0.0.1:5500/app-3@sha256:00", Ahead: true, Stop: true})
	if set := <-sets; len(set) != 2 || !set[1].Ahead || set[1].Image != "127.0.0.1:0/app-3@sha256:00" {
		t.Errorf("%+v", set)
	}
	for _, id := range []string{"mine", "other", "soon"} {
		c.Log([]agent.Line{{Instance: id, AppID: "app-2", Name: "web.9", Text: "x"}})
	}
	if l := plane.Lines("mine"); len(l) != 1 || l[0].AppID != "app-1" || l[0].Name != "web.1" {
		t.Errorf("%+v", l)
	}
	if l := append(plane.Lines("other"), plane.Lines("soon")...); len(l) != 0 { // of what is only fetched there is nothing to say
		t.Errorf("%+v", l)
	}
	c.Usage("", someTime(), []agent.Usage{{Instance: "other", AppID: "app-1", Name: "web.1"}, {Instance: "mine", AppID: "app-2", Name: "web.1"}, {Instance: "mine", AppID: "app-1", Name: "web.1"}})
	plane.AwaitUsage(t, "mine", func(u agent.Usage) bool { return u.AppID == "app-1" })

	digest := "sha256:" + strings.Repeat("0a", 32)
	for path, want := range map[string]int{
		"GET /v2/app-1/manifests/" + digest:           http.StatusOK,
		"HEAD /v2/app-1/manifests/" + digest:          http.StatusOK,
		"GET /v2/app-1/blobs/" + digest:               http.StatusOK,
		"GET /v2/app-2/blobs/" + digest:               http.StatusNotFound,
		"GET /v2/app-3/blobs/" + digest:               http.StatusOK,
		"GET /v2/app-1/manifests/latest":              http.StatusNotFound,
		"GET /v2/app-1/tags/list":                     http.StatusNotFound,
		"GET /v2/_catalog":                            http.StatusNotFound,
		"GET /v2/":                                    http.StatusNotFound,
		"GET /v2/app-2/%2e%2e/app-1/blobs/" + digest:  http.StatusNotFound,
		"PUT /v2/app-1/manifests/" + digest:           http.StatusMethodNotAllowed,
		"DELETE /v2/app-1/manifests/" + digest:        http.StatusMethodNotAllowed,
		"POST /v2/app-1/blobs/uploads/?from=app-2&m=": http.StatusMethodNotAllowed,
	} {
		method, p, _ := strings.Cut(path, " ")
		if code, body := s.ask(shows(t, dir), method, p, ""); code != want {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

// The loopback registry needs the password, and goes on through the control
// plane.
func TestProxy(t *testing.T) {
	plane := agenttest.NewControl()
	reg := newRegistry(t)
	s := newScene(t, plane, fleet.Config{Registry: fleet.Registry{URL: reg.URL, User: "root", Password: "secret"}})
	dir := s.join("a")
	c, _ := s.client(dir)
	p, err := fleet.NewProxy(c, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	sets := c.Watch(t.Context(), "")
	plane.Set(agent.Assignment{ID: "1", AppID: "app-1", Image: "127.0.0.1:5500/app-1@sha256:00"})
	if set := <-sets; set[0].Image != "127.0.0.1:0/app-1@sha256:00" {
		t.Errorf("%+v", set)
	}
	get := func(path, password string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			r.SetBasicAuth(fleet.ProxyUser, password)
		}
		a, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		text, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(text)
	}
	blob := "/v2/app-1/blobs/sha256:" + strings.Repeat("0a", 32)
	password := c.Identity().Password
	for _, ask := range []struct {
		path, password string
		want           int
	}{{"/v2/", "", 401}, {"/v2/", "wrong", 401}, {"/v2/", password, 200}, {blob, "wrong", 401}, {blob, password, 200},
		{strings.Replace(blob, "app-1", "app-2", 1), password, 404},
		{"/v1/cursor?instance=1", password, 404}, {"/v2/../v1/cursor?instance=1", password, 404}} { // it does not speak for the host
		if code, body := get(ask.path, ask.password); code != ask.want {
			t.Errorf("%+v: %d %s", ask, code, body)
		}
	}
	if _, body := get(blob, password); body != "root secret GET "+blob {
		t.Errorf("%q", body)
	}
	s.stop()
	if code, body := get(blob, password); code != http.StatusBadGateway || !strings.Contains(body, "does not answer") {
		t.Error(code, body)
	}
}
