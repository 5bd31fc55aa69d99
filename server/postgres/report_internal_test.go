package postgres

import (
	"testing"

	"paas/server"
)

// Who reads events sees where a dyno went, when there are several places.
func TestEventsNameTheHost(t *testing.T) {
	in := server.Instance{Type: "web", Ordinal: 2, Release: 7}
	for _, c := range []struct{ host, reason, want string }{
		{"", "", "web.2 v7"},
		{"host-2", "", "web.2 v7 on host-2"},
		{"host-2", "exit 1", "web.2 v7 on host-2: exit 1"},
	} {
		in.Host = c.host
		if got := saidOf(in, c.reason); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
