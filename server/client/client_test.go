package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paas/server/api"
)

func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(Config{URL: s.URL, Token: "secret", UserAgent: "paas/test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"http://localhost:5000": true, "https://paas.example.com/": true, "unix:///run/paas.sock": true,
		"": false, "localhost:5000": false, "ftp://x": false, "unix://host/x": false, "http://": false, "http://\x00": false,
	} {
		if _, err := New(Config{URL: address}); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestErrorsAreForPeople(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{404, `{"id":"not_found","message":"Couldn't find that app.","url":""}`, "Couldn't find that app."},
		{422, `{"id":"invalid_params","message":"No.","next":"Try: this"}`, "No.\nTry: this"},
		{502, `<html>`, "not as the API does"},
		{500, `{"id":"internal_server_error","message":"The platform failed."}`, "Request: r-1"},
		{302, ``, "not as the API does"},
	} {
		cl := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set(api.HeaderRequestID, "r-1")
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		_, err := cl.App(t.Context(), "x")
		var e *api.Error
		if !errors.As(err, &e) || e.Status != c.status || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d: %v, want %q", c.status, err, c.want)
		}
	}
	cl := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "[]") })
	if _, err := cl.App(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "not what the API answers") {
		t.Errorf("wrong shape: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c, err := New(Config{URL: "http://" + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Apps(t.Context())
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "Nothing was changed") {
		t.Errorf("refused: %v", err)
	}
	stuck := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stuck:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(stuck)
	c, err = New(Config{URL: s.URL, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Apps(t.Context()); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "in time") {
		t.Errorf("stuck: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = c.Apps(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPathsAreEscaped(t *testing.T) {
	got := ""
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Method + " " + r.URL.EscapedPath() + " " + r.Header.Get("Authorization")
		io.WriteString(w, "{}")
	})
	if _, err := c.RemoveKey(t.Context(), "SHA256:a/b+c?d#../e"); err != nil {
		t.Fatal(err)
	}
	if want := "DELETE /account/keys/SHA256:a%2Fb+c%3Fd%23..%2Fe Bearer secret"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLists(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Range") {
		case "version ..; max=1000, order=desc":
			w.Header().Set(api.HeaderNextRange, "version ]2..; max=2")
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, `[{"version":3},{"version":2}]`)
		case "version ]2..; max=2":
			io.WriteString(w, `[{"version":1}]`)
		case "version ..; max=1, order=desc":
			w.Header().Set(api.HeaderNextRange, "version ]3..; max=1")
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, `[{"version":3}]`)
		default:
			t.Errorf("asked for %q", r.Header.Get("Range"))
		}
	})
	for n, want := range map[int]int{0: 3, 1: 1} {
		if all, err := c.Releases(t.Context(), "x", n); err != nil || len(all) != want {
			t.Errorf("%d: %d releases, %v", n, len(all), err)
		}
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"email":%q}`, r.Header.Get("Authorization")+"operator")
	})}}
	s.Start()
	defer s.Close()
	c, err := New(Config{URL: "unix://" + path})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if a, err := c.Account(t.Context()); err != nil || a.Email != "operator" {
		t.Errorf("%+v %v", a, err)
	}
}

// A deploy is followed through cut connections and a server that is away for
// a moment; every byte arrives once.
func TestFollowSurvivesCuts(t *testing.T) {
	const output = "one\ntwo\nthree\n"
	reads, asked := 0, 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/output") {
			asked++
			status := "rolling"
			if asked > 1 {
				status = "live"
			}
			fmt.Fprintf(w, `{"id":"d","status":%q}`, status)
			return
		}
		reads++
		switch reads {
		case 1:
			io.WriteString(w, output[:6])
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"id":"service_unavailable","message":"back soon"}`)
		default:
			io.WriteString(w, output)
		}
	})
	var got bytes.Buffer
	d, err := c.Follow(t.Context(), "x", "d", &got)
	if err != nil || d.Status != "live" || got.String() != output {
		t.Errorf("%+v %v %q", d, err, got.String())
	}
}

func TestFollowGivesUpOnRefusal(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"id":"not_found","message":"gone"}`)
	})
	if _, err := c.Follow(t.Context(), "x", "d", io.Discard); err == nil || err.Error() != "gone" {
		t.Errorf("got %v", err)
	}
}

func TestLogsStayOnTheServer(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			io.WriteString(w, `{"logplex_url":"http://elsewhere.invalid/log-sessions/tok.sig"}`)
			return
		}
		io.WriteString(w, "line of "+r.URL.Path+"\n")
	})
	var got bytes.Buffer
	if err := c.Logs(t.Context(), "x", api.LogSessionRequest{}, &got); err != nil || got.String() != "line of /log-sessions/tok.sig\n" {
		t.Errorf("%q %v", got.String(), err)
	}
}
