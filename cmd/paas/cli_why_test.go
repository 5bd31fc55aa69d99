package main

import (
	"testing"

	"paas/server/api"
)

// A dyno stays only where it is to leave and nobody else takes it; one on a host
// that is merely cordoned is at home there.
func TestStays(t *testing.T) {
	here := "host-1"
	for _, c := range []struct {
		own, other string
		want       bool
	}{
		{"is being drained", "is cordoned", true},
		{"is being drained", "", false},
		{"has zone=a, the app asks for zone=b", "has 1 MB of memory free, needs 512 MB", true},
		{"is cordoned", "is cordoned", false},
		{"", "is cordoned", false},
	} {
		w := api.Why{Host: &here, Hosts: []api.HostWhy{{Name: here, Why: c.own}, {Name: "host-2", Why: c.other}}}
		if got := stays(w); got != c.want {
			t.Errorf("%q here, %q elsewhere: %v", c.own, c.other, got)
		}
	}
}
