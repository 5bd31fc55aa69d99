package router

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// An app that answers without reading the request's body: its answer arrives
// every time. With "Connection: close" on the way to the app, net/http apps
// reset the connection behind their answer and about one in twenty was lost.
func TestAnswerToAnUnreadBodyArrives(t *testing.T) {
	target, _ := newApp(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	g := newRig(t, Config{})
	g.serve(t, 1, appRoute(target))
	for n := range 500 {
		resp, body := g.do(t, g.request(t, http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 10_000))))
		if resp.StatusCode != http.StatusOK || body != "ok" {
			t.Fatalf("request %d: %s %q", n, resp.Status, body)
		}
	}
}
