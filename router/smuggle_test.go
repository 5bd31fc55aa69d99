package router

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Each entry is what one client sends on one connection. However it is read,
// the app must see only the requests listed, and the client only the statuses.
var smuggling = []struct {
	name     string
	raw      string
	statuses string // of the answers, in order
	paths    string // that the app saw, in order
}{
	{"length and chunked", "POST /a HTTP/1.1\r\nHost: app.test\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: app.test\r\n\r\n", "400", ""},
	{"chunked and length", "POST /a HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400", ""},
	{"length and chunked on a kept connection", "GET /ok HTTP/1.1\r\nHost: app.test\r\n\r\nPOST /a HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: app.test\r\n\r\n", "200 400", "/ok"},
	{"after a body", "POST /ok HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\n\r\nhelloPOST /a HTTP/1.1\nHost: app.test\ncontent-LENGTH: 4\ntransfer-encoding: chunked\n\n0\r\n\r\n", "200 400", "/ok"},
	{"two lengths", "POST /a HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400", ""},
	{"length list", "POST /a HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3, 3\r\n\r\nabc", "400", ""},
	{"signed length", "POST /a HTTP/1.1\r\nHost: app.test\r\nContent-Length: +3\r\n\r\nabc", "400", ""},
	{"space before colon", "POST /a HTTP/1.1\r\nHost: app.test\r\nContent-Length : 3\r\n\r\nabc", "400", ""},
	{"coding with space before colon", "POST /a HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\nTransfer-Encoding : chunked\r\n\r\nabc", "400", ""},
	{"unknown coding", "POST /a HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501", ""},
	{"coding list", "POST /a HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "501", ""},
	{"two codings", "POST /a HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", "501", ""},
	{"vertical tab coding", "POST /a HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", "400", ""},
	{"chunked in HTTP/1.0", "POST /a HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.0\r\nHost: app.test\r\n\r\n", "400", ""},
	{"request behind a chunked body", "POST /a HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: app.test\r\n\r\n", "200", "/a"},
	{"bad chunk size", "POST /a HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", "400", "/a?"},
	{"two hosts", "GET /a HTTP/1.1\r\nHost: app.test\r\nHost: other.test\r\n\r\n", "400", ""},
	{"no host", "GET /a HTTP/1.1\r\n\r\n", "400", ""},
	{"host with a path", "GET /a HTTP/1.1\r\nHost: app.test/evil\r\n\r\n", "400", ""},
	{"host with user info", "GET /a HTTP/1.1\r\nHost: x@app.test\r\n\r\n", "400", ""},
	{"host with a bad port", "GET /a HTTP/1.1\r\nHost: app.test:80evil\r\n\r\n", "400", ""},
	{"absolute form decides", "GET http://app.test/abs HTTP/1.1\r\nHost: other.test\r\n\r\n", "200", "/abs"},
	{"absolute form decides against", "GET http://other.test/abs HTTP/1.1\r\nHost: app.test\r\n\r\n", "404", ""},
	{"absolute form with user info", "GET http://u:p@app.test/abs HTTP/1.1\r\nHost: app.test\r\n\r\n", "200", "/abs"},
	{"other scheme", "GET ftp://app.test/a HTTP/1.1\r\nHost: app.test\r\n\r\n", "400", ""},
	{"opaque target", "GET mailto:a HTTP/1.1\r\nHost: app.test\r\n\r\n", "400", ""},
	{"asterisk", "GET * HTTP/1.1\r\nHost: app.test\r\n\r\n", "400", ""},
	// net/http in the app answers it itself
	{"asterisk for OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n", "200", ""},
	{"CONNECT", "CONNECT app.test:80 HTTP/1.1\r\nHost: app.test\r\n\r\nGET /evil HTTP/1.1\r\nHost: app.test\r\n\r\n", "405", ""},
	{"CONNECT path", "CONNECT /a HTTP/1.1\r\nHost: app.test\r\n\r\n", "405", ""},
	{"folded header", "GET /a HTTP/1.1\r\nHost: app.test\r\nX: a\r\n b\r\nConnection: close\r\n\r\n", "200", "/a"},
	{"NUL in header", "GET /a HTTP/1.1\r\nHost: app.test\r\nX: a\x00b\r\n\r\n", "400", ""},
	{"CR in header", "GET /a HTTP/1.1\r\nHost: app.test\r\nX: a\rEvil: b\r\n\r\n", "400", ""},
	{"control in target", "GET /a\x01 HTTP/1.1\r\nHost: app.test\r\n\r\n", "400", ""},
	{"bad version", "GET /a HTTP/1.9\r\nHost: app.test\r\n\r\n", "200?", "/a?"},
	{"HTTP/2 preface in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", ""},
	{"huge head", "GET /a HTTP/1.1\r\nHost: app.test\r\nX: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", "431", ""},
	{"unknown expectation", "POST /a HTTP/1.1\r\nHost: app.test\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\nGET /evil HTTP/1.1\r\nHost: app.test\r\n\r\n", "417", ""},
}

func TestSmugglingCorpus(t *testing.T) {
	for _, c := range smuggling {
		t.Run(c.name, func(t *testing.T) {
			for _, step := range []int{len(c.raw), 7} { // all at once, and in pieces
				statuses, paths := smuggle(t, c.raw, step)
				if want, maybe := strings.CutSuffix(c.statuses, "?"); statuses != want && !maybe {
					t.Errorf("in steps of %d: statuses %q, want %q", step, statuses, c.statuses)
				}
				if want, maybe := strings.CutSuffix(c.paths, "?"); paths != want && (!maybe || paths != "") {
					t.Errorf("in steps of %d: the app saw %q, want %q", step, paths, c.paths)
				}
			}
		})
	}
}

// smuggle sends raw to a router of its own and says what both ends saw of it.
func smuggle(t *testing.T, raw string, step int) (statuses, paths string) {
	g := newRig(t, Config{})
	var mu sync.Mutex
	var saw []string
	app, _ := newApp(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		saw = append(saw, r.RequestURI)
		mu.Unlock()
		if r.Header.Get("Authorization") != "" || len(r.TransferEncoding) > 0 && r.Header.Get("Content-Length") != "" {
			t.Errorf("the app got %v", r.Header)
		}
		_, _ = io.Copy(io.Discard, r.Body)
	})
	g.serve(t, 1, appRoute(app))
	statuses = strings.Join(g.talk(t, raw, step), " ")
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	return statuses, strings.Join(saw, " ")
}

// talk sends raw and gives the statuses of the answers.
func (g *rig) talk(t *testing.T, raw string, step int) (statuses []string) {
	c, err := net.Dial("tcp", g.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var wg sync.WaitGroup
	wg.Go(func() {
		for rest := raw; rest != ""; {
			n := min(max(step, len(rest)/500), len(rest))
			if _, err := io.WriteString(c, rest[:n]); err != nil {
				return // refused before all was sent
			}
			rest = rest[n:]
		}
	})
	r := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			break
		}
		statuses = append(statuses, resp.Status[:3])
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.Close {
			break
		}
		if strings.Count(raw, " HTTP/1.") <= len(statuses) {
			break // nothing more was asked
		}
	}
	_ = c.Close()
	wg.Wait()
	return statuses
}
