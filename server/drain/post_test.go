package drain_test

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"paas/server/drain"
)

// posts is an HTTPS collector whose answers a test chooses.
type posts struct {
	srv    *httptest.Server
	got    chan *http.Request
	bodies chan string
	answer func(n int) int
}

func collectPosts(t *testing.T, answer func(n int) int) *posts {
	t.Helper()
	p := &posts{got: make(chan *http.Request, 1000), bodies: make(chan string, 1000), answer: answer}
	n := 0
	p.srv = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		p.got <- r
		p.bodies <- string(b)
		n++
		if code := p.answer(n); code == http.StatusFound {
			http.Redirect(w, r, "/elsewhere", code)
		} else {
			w.WriteHeader(code)
		}
	}))
	t.Cleanup(p.srv.Close)
	return p
}

func (p *posts) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.srv.Certificate())
	return pool
}

func receive[T any](t *testing.T, c chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(60 * time.Second):
		t.Fatal("the collector got nothing")
	}
	return v
}

func TestHTTPS(t *testing.T) {
	p := collectPosts(t, func(n int) int {
		if n == 2 || n == 3 {
			return http.StatusBadGateway // is tried again
		}
		return http.StatusNoContent
	})
	url := strings.Replace(p.srv.URL, "https://", "https://user:pa%20ss@", 1) + "/in?key=1"
	w, _ := begin(t, drain.Config{RootCAs: p.pool()}, to("1", url))
	w.say(1)
	r, body := receive(t, p.got), receive(t, p.bodies)
	if !strings.HasSuffix(body, " d.1 app web.1 - line 1\n") || r.URL.String() != "/in?key=1" || r.Method != "POST" {
		t.Errorf("%s %s %q", r.Method, r.URL, body)
	}
	user, password, _ := r.BasicAuth()
	for name, want := range map[string]string{"Content-Type": "application/logplex-1", "Logplex-Msg-Count": "1", "Logplex-Drain-Token": "d.1", "User-Agent": "Logplex/paas"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if user != "user" || password != "pa ss" || len(r.Header.Get("Logplex-Frame-Id")) != 36 {
		t.Errorf("user %q, password %q, headers %v", user, password, r.Header)
	}
	w.say(2)
	for range 3 {
		if body := receive(t, p.bodies); !strings.HasSuffix(body, "line 2\n") {
			t.Errorf("%q", body)
		}
	}
	w.say(3)
	if body := receive(t, p.bodies); !strings.HasSuffix(body, "line 3\n") || strings.Contains(body, "line 2") {
		t.Errorf("%q", body)
	}
}

func TestHTTPSRefusals(t *testing.T) {
	for _, code := range []int{http.StatusForbidden, http.StatusFound} {
		p := collectPosts(t, func(n int) int {
			if n == 1 {
				return code
			}
			return http.StatusOK
		})
		w, _ := begin(t, drain.Config{RootCAs: p.pool()}, to("1", p.srv.URL))
		w.say(1)
		receive(t, p.bodies)
		if text := w.logged("Error with drain d.1"); !strings.Contains(text, strconv.Itoa(code)) {
			t.Errorf("%q", text)
		}
		w.say(2)
		body := receive(t, p.bodies)
		if !strings.Contains(body, "Error L10 (output buffer overflow): 1 messages dropped since 20") || !strings.HasSuffix(body, "line 2\n") {
			t.Errorf("after %d: %q", code, body)
		}
		for range len(p.got) {
			if r := <-p.got; r.URL.Path != "" && r.URL.Path != "/" {
				t.Errorf("the redirect was followed to %s", r.URL)
			}
		}
	}
}

// TestStuckDrainHoldsUpNobody: its collector takes nothing; the log, its
// readers and other drains go on, and it loses the oldest lines.
func TestStuckDrainHoldsUpNobody(t *testing.T) {
	block := make(chan struct{})
	first := true
	p := collectPosts(t, func(int) int {
		if first {
			first = false
			<-block
		}
		return http.StatusOK
	})
	c := collect(t, nil)
	w, _ := begin(t, drain.Config{RootCAs: p.pool(), MaxLines: 50}, to("1", p.srv.URL), to("2", "syslog://"+c.l.Addr().String()))
	w.say(0)
	receive(t, p.bodies)
	c.want("line 0")
	for n := 1; n <= 1000; n++ {
		w.say(n)
		c.want(fmt.Sprintf("line %d", n))
	}
	close(block)
	told, got, last := 0, 0, 0
	dropped, said := regexp.MustCompile(`: (\d+) messages dropped since 20`), regexp.MustCompile(`line (\d+)\n`)
	for last != 1000 { // each line was delivered or counted, in order
		body := receive(t, p.bodies)
		for _, m := range dropped.FindAllStringSubmatch(body, -1) {
			n, _ := strconv.Atoi(m[1])
			told += n
		}
		for _, m := range said.FindAllStringSubmatch(body, -1) {
			n, _ := strconv.Atoi(m[1])
			if n <= last {
				t.Fatalf("line %d after %d", n, last)
			}
			last, got = n, got+1
		}
	}
	if told+got != 1000 || told < 900 {
		t.Errorf("%d told dropped, %d delivered", told, got)
	}
}
