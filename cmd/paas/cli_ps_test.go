package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"paas/server/api"
)

// A dyno and who takes over from it are one of the formation.
func TestDynosAreCountedByName(t *testing.T) {
	var out bytes.Buffer
	s := &session{cli: &cli{out: &out}, app: "shop"}
	dyno := func(name, state string, version int) api.Dyno {
		d := api.Dyno{Name: name, Type: "web", State: state, Size: "Standard-1X", Command: "bin/web", UpdatedAt: time.Now()}
		d.Release.Version = version
		return d
	}
	s.dynoGroup([]api.Dyno{dyno("web.1", "up", 1), dyno("web.1", "starting", 2), dyno("web.2", "up", 1), dyno("web.3", "stopping", 1)})
	if !strings.HasPrefix(out.String(), "=== web (Standard-1X): bin/web (2)\n") {
		t.Error(out.String())
	}
}
