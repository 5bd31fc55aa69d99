package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
)

// Dynos of paas standalone are reached at its --addr by other machines once they
// are started, or started anew, under it.
func TestStandaloneHasAnAddress(t *testing.T) {
	fleet := platformtest.FreeAddr("127.0.0.1")
	p := newPlatform(filepath.Join(built.Dir, "addr"), "--fleet", fleet, "--fleet-name", fleet)
	t.Cleanup(p.destroy)
	platformtest.Must(p.start())
	r := p.newApp(t, "reached")
	r.push("v0")
	e := p.newEdge(t, "edge-1")
	led := func() string { // where the router elsewhere goes
		text, _ := os.ReadFile(filepath.Join(e.dir, "table.json")) // which is not there yet at first
		return string(text)
	}
	platformtest.Must(p.Until(60*time.Second, "the router has the app", func() bool { return e.ask("reached") == "v0" && led() != "" }))
	if strings.Contains(led(), "127.0.0.1:") {
		t.Errorf("without --addr it is published: %s", led())
	}
	p.terminate()
	platformtest.Must(p.start("--addr", "127.0.0.1"))
	end := (&edge{p: p, http: p.http}).ride("reached")
	p.mustPaas(t, "ps:restart", "-a", "reached")
	platformtest.Must(p.Until(60*time.Second, "the dyno is published", func() bool { return strings.Contains(led(), `"127.0.0.1:2`) || strings.Contains(led(), `"127.0.0.1:3`) }))
	asked, failed, example := end()
	if failed > 0 || asked < 10 {
		t.Errorf("%d requests while the dyno started anew, %d failed: %s", asked, failed, example)
	}
	if code, body, err := p.get("reached", "/"); code != http.StatusOK || !strings.HasPrefix(body, "v0") {
		t.Errorf("through its own router: %d %q %v", code, body, err)
	}
	if got := e.ask("reached"); got != "v0" {
		t.Errorf("through the other: %s", got)
	}
	r.push("v1")
	if got := e.ask("reached"); got != "v1" || !strings.Contains(led(), `"127.0.0.1:`) {
		t.Errorf("after a push: %s, %s", got, led())
	}
}
