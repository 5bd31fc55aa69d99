package e2e

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
)

// surfer is a browser without scripts that finds the dashboard's host name at
// the platform's router.
type surfer struct {
	http.Client
	t *testing.T
}

func newSurfer(t *testing.T, p *platform) *surfer {
	t.Helper()
	jar, err := cookiejar.New(nil)
	platformtest.Must(err)
	by := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, p.http)
	}}
	t.Cleanup(by.CloseIdleConnections)
	return &surfer{t: t, Client: http.Client{Jar: jar, Transport: by}}
}

// ask gives an answer's status, body and where it came from in the end.
func (s *surfer) ask(method, at string, form url.Values) (int, string, string) {
	s.t.Helper()
	ctx, done := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer done()
	r, err := http.NewRequestWithContext(ctx, method, at, strings.NewReader(form.Encode()))
	platformtest.Must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := s.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	platformtest.Must(err)
	return res.StatusCode, string(b), res.Request.URL.Path
}

// press sends the form of the page that a link leads to.
func (s *surfer) press(link string) (int, string, string) {
	s.t.Helper()
	u, err := url.Parse(link)
	platformtest.Must(err)
	form := u.Query()
	u.RawQuery = ""
	return s.ask("POST", u.String(), form)
}

// Links come over the socket, by a login and over SSH; each signs its own
// account in, once, and what is open ends when the browser is signed out.
func TestSignIn(t *testing.T) {
	p := shared.get(t)
	p.user(t)
	ann := p.member(t, "ann-signs-in@example.com")
	app := "sign-in-app"
	ann.paas("apps:create", app, "--no-remote")
	defer ann.paas("apps:destroy", "-a", app, "--confirm", app)

	overSSH := func() string {
		cmd := exec.Command("ssh", append(sshArgsOf(p, filepath.Join(ann.home, ".ssh", "id_ed25519")), "dashboard", "-a", app)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("ssh dashboard: %v\n%s", err, out)
		}
		return findLink(t, string(out))
	}
	for label, c := range map[string]struct{ link, email, path string }{
		"socket": {findLink(t, p.mustPaas(t, "dashboard", "--print")), "operator@localhost", "/"},
		"login":  {findLink(t, ann.paas("dashboard", "-a", app)), ann.email, "/apps/" + app},
		"ssh":    {overSSH(), ann.email, "/apps/" + app},
	} {
		b := newSurfer(t, p)
		if code, body, _ := b.ask("GET", c.link, nil); code != 200 || !strings.Contains(body, "Sign in as "+c.email) {
			t.Errorf("%s: the link's page: %d\n%s", label, code, body)
		}
		if code, body, path := b.press(c.link); code != 200 || path != c.path || !strings.Contains(body, c.email) {
			t.Errorf("%s: after the button: %d at %s\n%s", label, code, path, body)
		}
		late := newSurfer(t, p)
		if code, body, path := late.press(c.link); code != 404 || path != "/sign-in" || !strings.Contains(body, "used already") {
			t.Errorf("%s: the second use: %d at %s\n%s", label, code, path, body)
		}
	}
	signingOutEnds(t, p, ann, app)
	if audit := p.mustPaas(t, "audit", "-n", "200"); !strings.Contains(audit, "signin.refused") || !strings.Contains(audit, "web") {
		t.Errorf("the audit log tells nothing of it:\n%s", audit)
	}
}

func signingOutEnds(t *testing.T, p *platform, who *member, app string) {
	t.Helper()
	b := newSurfer(t, p)
	link := findLink(t, who.paas("dashboard", "--print"))
	b.press(link)
	base := strings.Split(link, "/sign-in")[0]
	r, err := http.NewRequestWithContext(t.Context(), "GET", base+"/apps/"+app+"/live", nil)
	platformtest.Must(err)
	r.Header.Set("Accept", "text/event-stream")
	live, err := b.Do(r)
	platformtest.Must(err)
	defer live.Body.Close()
	lines := bufio.NewReader(live.Body)
	if _, err := lines.ReadString('\n'); err != nil || live.StatusCode != 200 {
		t.Fatalf("live: %d %v", live.StatusCode, err)
	}
	began := time.Now()
	if code, _, path := b.ask("POST", base+"/sign-out", nil); code != 200 || path != "/sign-in" {
		t.Errorf("sign out: %d at %s", code, path)
	}
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Errorf("the stream ended by %v", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("what was open lasted %s longer", took)
	}
	if _, _, path := b.ask("GET", base+"/apps/"+app, nil); path != "/sign-in" {
		t.Errorf("signed in after signing out, at %s", path)
	}
}

// sshArgsOf are sshArgs with another key.
func sshArgsOf(p *platform, key string) []string {
	args := p.sshArgs()
	for i := range args {
		if args[i] == built.Key {
			args[i] = key
		}
	}
	return args
}
