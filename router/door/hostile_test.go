package door

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Whatever a dyno writes as the host it asks for, it gets to the apps that its own
// is linked with and to no other, and does not say who it is.
func TestDoorIsNotTalkedRound(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "b for %v %v", r.Header["X-Forwarded-For"], r.Header["X_forwarded_for"])
	}))
	defer app.Close()
	s := newScene(t, "")
	s.tell(1, leads("b.internal", app.Listener.Addr().String()))
	s.until(t, "the link is served", served(1))
	for head, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: b.internal\r\nX-Forwarded-For: 10.0.0.1\r\nX_Forwarded_For: 10.0.0.2\r\n": "200 b for [127.77.0.9] []",
		"GET / HTTP/1.1\r\nHost: B.INTERNAL.:80\r\n":                                                       "200 b for [127.77.0.9] []",
		"GET http://c.internal/ HTTP/1.1\r\nHost: b.internal\r\n":                                          "404 ",
		"GET http://169.254.169.254/ HTTP/1.1\r\nHost: b.internal\r\n":                                     "404 ",
		"GET / HTTP/1.1\r\nHost: c.internal\r\nX-Forwarded-Host: b.internal\r\n":                           "404 ",
		"GET / HTTP/1.1\r\nHost: " + app.Listener.Addr().String() + "\r\n":                                 "404 ",
		"GET / HTTP/1.1\r\nHost: x.b.internal\r\n":                                                         "404 ",
		"GET / HTTP/1.1\r\nHost: b.internal\r\nHost: c.internal\r\n":                                       "400 ",
		"GET / HTTP/1.1\r\nHost: b.internal@c.internal\r\n":                                                "400 ",
		"CONNECT c.internal:80 HTTP/1.1\r\nHost: b.internal\r\n":                                           "405 ",
		"GET / HTTP/1.1\r\nHost: b.internal\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n":        "400 ",
	} {
		if got := s.raw(t, head); !strings.HasPrefix(got, want) || strings.HasPrefix(want, "4") && strings.Contains(got, "b for") {
			t.Errorf("%q: %.200s", head, got)
		}
	}
}

// raw sends a request as it is written and gives status and body.
func (s *scene) raw(t *testing.T, head string) string {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.77.0.9")}}).DialContext(t.Context(), "tcp", fmt.Sprintf("127.77.0.1:%d", s.cfg.HTTPPort))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, head+"Connection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body) // what came of it is looked at
	return fmt.Sprintf("%d %s", answer.StatusCode, body)
}
