package server

import (
	"strings"
	"testing"
	"time"
)

// A drain that cannot end says what keeps it.
func TestDrainSaysWhatStays(t *testing.T) {
	now := time.Now()
	h := HostRow{Name: "host-2", State: HostDraining, SeenAt: now, Dynos: []HostDyno{{App: "shop", Type: "web", Ordinal: 1}}}
	if got := h.note(Pulse{}, now); got != "" {
		t.Errorf("nothing stays: %q", got)
	}
	h.Dynos = append(h.Dynos, HostDyno{App: "blog", Type: "web", Ordinal: 3, Volume: "uploads"})
	if got := h.note(Pulse{}, now); got != "web.3 of blog stays, for its data is here, on the volume uploads" {
		t.Errorf("one stays: %q", got)
	}
	h.Dynos, h.DiskFree, h.DiskTotal = append(h.Dynos, HostDyno{App: "wiki", Volume: "pages"}), 1, 100<<30
	if got := h.note(Pulse{}, now); !strings.HasPrefix(got, "2 dynos stay, for their data is here, on volumes; its disk is nearly full") {
		t.Errorf("two stay, and the disk is full: %q", got)
	}
	h.State = HostCordoned
	if got := h.note(Pulse{}, now); strings.Contains(got, "stay") {
		t.Errorf("it is not drained: %q", got)
	}
}
