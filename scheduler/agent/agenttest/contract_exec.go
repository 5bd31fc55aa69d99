package agenttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// The part of the contract that is about processes besides the main one,
// connections and files.

func execCodes(t *testing.T, s Subject) {
	a, _ := started(t, s, "silent")
	c := execute(t, s, a, false, "both")
	if err := c.wait(t); err != nil || c.code != 3 || c.out.String() != "to stdout\n" || c.err.String() != "to stderr\n" {
		t.Errorf("%d, %v, %q, %q", c.code, err, c.out.String(), c.err.String())
	}
	c = execute(t, s, a, true, "env")
	if err := c.wait(t); err != nil || !strings.Contains(c.out.String(), `"EXTRA":"of the session"`) {
		t.Errorf("%v, %q", err, c.out.String())
	}
	for _, tty := range []bool{false, true} {
		var out bytes.Buffer
		n, err := s.Runtime.Exec(patience(t), a.ID, []string{"/no/such", "thing"}, nil, tty, agent.IO{Out: &out, Err: &out})
		if n != 127 || !errors.Is(err, agent.ErrNotFound) || out.Len() > 0 {
			t.Errorf("%d, %v, %q", n, err, out.String())
		}
	}
	c = execute(t, s, a, false, "hold")
	c.leave()
	if err := c.wait(t); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// The container ends under it.
	c = execute(t, s, a, false, "shell")
	c.out.Await(t, "ready")
	if err := s.Runtime.Stop(patience(t), a.ID, 0); err != nil {
		t.Fatal(err)
	}
	if err := c.wait(t); c.code == 0 {
		t.Error(c.code, err)
	}
}

func dial(t *testing.T, s Subject) {
	a, c := started(t, s, "web")
	collect(t, s, a.ID, time.Time{}).await(t, 1)
	var port int
	if _, err := fmt.Sscan(a.Env["PORT"], &port); err != nil {
		t.Fatal(err)
	}
	conn, err := s.Runtime.Dial(patience(t), a.ID, port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if host := conn.RemoteAddr().String(); !strings.HasPrefix(host, c.IP+":") {
		t.Error(host)
	}
	req, err := http.NewRequestWithContext(patience(t), http.MethodGet, "http://x.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(conn); err != nil || !strings.Contains(string(b), "GET x.example /") {
		t.Errorf("%v, %q", err, b)
	}
	if _, err := s.Runtime.Dial(patience(t), a.ID, port+1); err == nil {
		t.Error("a port nobody listens on answered")
	}
}

func mounted(t *testing.T, s Subject) {
	content := string(noise(5000))
	for _, args := range [][]string{{"file", "/etc/app/app.conf"}, {"spoil", "/etc/app/app.conf"}, {"file", "/empty"}} {
		a := oneOffWith(t, s, []agent.File{{Path: "/etc/app/app.conf", Content: []byte(content)}, {Path: "/empty"}}, args...)
		c := attach(t, s, a)
		if err := c.wait(t); err != nil {
			t.Fatal(err)
		}
		got := c.out.String()
		switch {
		case code(t, s, a) != 0:
			t.Errorf("%v: %s", args, c.err.String())
		case args[0] == "spoil" && !strings.Contains(got, "read-only") && !strings.Contains(got, "permission denied"):
			t.Error(got)
		case args[1] == "/empty" && got != "":
			t.Errorf("%q", got)
		case args[0] == "file" && args[1] != "/empty" && got != content:
			t.Errorf("%d bytes that differ", len(got))
		}
	}
}

func oneOffWith(t *testing.T, s Subject, files []agent.File, args ...string) agent.Assignment {
	with := s
	with.Assign = func(t testing.TB, args ...string) agent.Assignment {
		a := s.Assign(t, args...)
		a.Files = files
		return a
	}
	return oneOff(t, with, false, args...)
}
