package main

import (
	"net/netip"
	"testing"
)

func TestClosedToTheWorld(t *testing.T) {
	for addr, want := range map[string]bool{"10.1.2.3": true, "192.168.0.1": true, "100.100.1.1": true, "fd00::1": true, "127.0.0.1": true,
		"203.0.113.7": false, "100.128.0.1": false, "2001:db8::1": false} {
		if got := closedToTheWorld(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}
