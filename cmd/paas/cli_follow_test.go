package main

import (
	"errors"
	"strings"
	"testing"
)

// The deploy is there: that the last question about it could not be put does
// not mean that nothing was changed.
func TestUnwatchedDeploySaysWhatHolds(t *testing.T) {
	s := &session{app: "shop"}
	err := s.unwatched("d1", errors.New("server not reached: cannot connect to paas:8081: connection refused. Nothing was changed"))
	if text := err.Error(); strings.Contains(text, "Nothing was changed") || !strings.Contains(text, "connection refused") || !strings.Contains(text, "goes on without you") {
		t.Error(text)
	}
}
