package docker

import (
	"errors"
	"testing"

	"paas/scheduler/agent"
)

// Engines word differently what a registry said.
func TestPullFaults(t *testing.T) {
	for text, want := range map[string]agent.FaultKind{
		"manifest for h/p@sha256:01 not found: manifest unknown: Unknown manifest":       agent.FaultLasting, // 20.10
		`unknown: {"errors":[{"code":"MANIFEST_UNKNOWN","message":"Unknown manifest"}]}`: agent.FaultLasting, // 28.5
		`unknown: {"errors":[{"code":"NAME_UNKNOWN","message":"Unknown name"}]}`:         agent.FaultLasting,
		`Head "https://h/v2/p/manifests/sha256:01": no basic auth credentials`:           agent.FaultLasting,
		`Get "https://h/v2/": dial tcp 127.0.0.1:1: connect: connection refused`:         agent.FaultPassing,
		`failed to do request: Head "https://h/v2/p": dial tcp 127.0.0.1:1: i/o timeout`: agent.FaultPassing,
		"received unexpected HTTP status: 502 Bad Gateway":                               agent.FaultPassing,
	} {
		r := &Runtime{}
		if got := agent.KindOf(r.pullFault("h/p@sha256:01", errors.New(text))); got != want {
			t.Errorf("%s: kind %v", text, got)
		}
	}
}
