package fleet_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
	"paas/scheduler/agent/agenttest"
	"paas/server/fleet"
)

// A host that was broken into keeps neither the store nor the memory of the
// control plane busy.
func TestHostMayNotFlood(t *testing.T) {
	s := newScene(t, agenttest.NewControl(), fleet.Config{})
	dir := s.join("a")
	for what, c := range map[string]struct {
		path, body string
		want       int
	}{
		"a list without end":    {"/v1/report", "[" + strings.Repeat("{},", 2_000_000) + "{}]", http.StatusUnprocessableEntity},
		"lines without end":     {"/v1/logs", `{"lines":[` + strings.Repeat("{},", 2_000_000) + "{}]}", http.StatusUnprocessableEntity},
		"figures without end":   {"/v1/usage", `{"usage":[` + strings.Repeat("{},", 2_000_000) + "{}]}", http.StatusUnprocessableEntity},
		"too many transactions": {"/v1/report", "[" + strings.Repeat("{},", 1000) + "{}]", http.StatusRequestEntityTooLarge},
		"an honest report":      {"/v1/report", "[" + strings.Repeat("{},", 255) + "{}]", http.StatusOK},
	} {
		if code, body := s.ask(shows(t, dir), "POST", c.path, c.body); code != c.want {
			t.Errorf("%s: %d %.200s", what, code, body)
		}
	}
	for i := range 12 {
		want := http.StatusOK
		if i >= 10 {
			want = http.StatusTooManyRequests
		}
		said := `{"arch":"amd64","milli_cpu":` + strconv.Itoa(1000+i) + `,"memory":1,"addr":"10.9.8.7"}`
		if code, body := s.ask(shows(t, dir), "POST", "/v1/announce", said); code != want {
			t.Errorf("announcement %d: %d %s", i, code, body)
		}
	}
}

// Each stream that begins has the database read.
func TestHostMayNotBeginStreamsWithoutEnd(t *testing.T) {
	s := newScene(t, agenttest.NewControl(), fleet.Config{})
	c := &http.Transport{TLSClientConfig: shows(t, s.join("a")), ForceAttemptHTTP2: true}
	defer c.CloseIdleConnections()
	codes := map[int]int{}
	for range 310 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.addr+"/v1/assignments", nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		codes[a.StatusCode]++
		_ = a.Body.Close()
	}
	if codes[http.StatusOK] != 300 || codes[http.StatusTooManyRequests] != 10 {
		t.Errorf("%v", codes)
	}
}

// What is too much for the wire does not break the host's stream: it goes on
// with what it has, and follows as soon as there is less.
func TestSetIsTooLarge(t *testing.T) {
	plane := agenttest.NewControl()
	s := newScene(t, plane, fleet.Config{MaxSet: 10_000})
	c, _ := s.client(s.join("a"))
	sets := c.Watch(t.Context(), "")
	plane.Set(agent.Assignment{ID: "1", AppID: "app-1"})
	if got := <-sets; got[0].ID != "1" {
		t.Errorf("%+v", got)
	}
	plane.Set(agent.Assignment{ID: "2", AppID: "app-2", Files: []agent.File{{Path: "/x", Content: make([]byte, 20_000)}}})
	plane.Set(agent.Assignment{ID: "3", AppID: "app-1"})
	if got := <-sets; got[0].ID != "3" {
		t.Errorf("%+v", got[0].ID)
	}
}

// Messages whose bodies never come do not pile up, whatever they are about.
func TestHostMayNotBeSlowWithoutEnd(t *testing.T) {
	s := newScene(t, agenttest.NewControl(), fleet.Config{})
	dir := s.join("a")
	c := &http.Transport{TLSClientConfig: shows(t, dir), ForceAttemptHTTP2: true}
	defer c.CloseIdleConnections()
	codes := make(chan int, 100)
	ctx, cancel := context.WithCancel(t.Context())
	for i := range cap(codes) {
		path := []string{"/v1/renew", "/v1/rekey", "/v1/announce"}[i%3]
		body, w := io.Pipe()
		defer w.Close()
		go func() {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+s.addr+path, body)
			if err != nil {
				codes <- 0
				return
			}
			a, err := c.RoundTrip(r)
			if err != nil {
				codes <- 0
				return
			}
			_ = a.Body.Close()
			codes <- a.StatusCode
		}()
	}
	for range cap(codes) - 8 { // the others' bodies are waited for
		if code := <-codes; code != http.StatusTooManyRequests {
			t.Errorf("answered %d", code)
		}
	}
	cancel()
	for range 8 {
		<-codes
	}
}

// What people type into a session does not go to a machine that is no host any
// more; one that has a new key meanwhile still is.
func TestSessionEndsWithItsHost(t *testing.T) {
	plane := agenttest.NewControl()
	s := newScene(t, plane, fleet.Config{})
	c, _ := s.client(s.join("a"))
	far := c.Sessions(t.Context(), "")
	ended := make(chan agent.SessionEnd, 1)
	in, typing := io.Pipe()
	defer typing.Close()
	plane.Open(t.Context(), agent.Session{Instance: "1", Kind: agent.Exec, Gone: make(chan struct{}),
		IO: agent.IO{In: in}, Ended: func(e agent.SessionEnd) { ended <- e }})
	open := <-far
	s.hosts.rekey("id-a")
	s.hosts.fail(errors.New("the store is away"))
	select {
	case e := <-ended:
		t.Fatalf("it ended though the host is one: %+v", e)
	case <-time.After(6 * time.Second): // it was looked at meanwhile
	}
	s.hosts.fail(nil)
	s.hosts.remove("id-a")
	if e := <-ended; e.Err == nil || !strings.Contains(e.Err.Error(), "was removed") {
		t.Errorf("%+v", e)
	}
	<-open.Gone // as for a client that has gone: an agent ends the process
	open.Ended(agent.SessionEnd{})
}
