package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paas/cmd/paas/platformtest"
)

// Servers share one master key, one authority and one SSH host key; one with
// another master key does not start, and the key is not changed under others.
func TestServersShareKeys(t *testing.T) {
	s := newScene(t).withPostgres()
	a := s.server()
	b := s.server()
	for _, word := range []string{"ca="} {
		if x, y := field(a.Log.String(), word), field(b.Log.String(), word); x == "" || x != y {
			t.Errorf("%s of one is %q, of the other %q", word, x, y)
		}
	}
	if !a.leads() {
		t.Error("the first one does not lead")
	}
	if out, err := a.paas("master-key:rotate"); err == nil || !strings.Contains(out, "s2 runs with the present master key") {
		t.Errorf("the master key was rotated under another server: %v\n%s", err, out)
	}
	c := s.newNode("s3")
	for _, try := range []struct{ key, want string }{{"", "is missing"}, {strings.Repeat("ab", 32), "is not the one this database is sealed with"}} {
		if try.key != "" {
			platformtest.Must(os.WriteFile(filepath.Join(c.data, "master.key"), []byte(try.key+"\n"), 0o600))
		}
		c.launch()
		if <-c.Exited; !strings.Contains(c.Log.String(), try.want) {
			t.Errorf("it said:\n%s", c.Log)
		}
	}
}

// field is the value behind a key in a log.
func field(log, key string) string {
	_, rest, _ := strings.Cut(log, key)
	value, _, _ := strings.Cut(rest, "\n")
	return value
}
