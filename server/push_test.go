package server

import (
	"errors"
	"strings"
	"testing"
)

func TestPushesAreRefusedOnAFullDisk(t *testing.T) {
	for _, c := range []struct {
		used    int
		err     error
		refused bool
	}{{94, nil, false}, {95, nil, true}, {100, nil, true}, {0, errors.New("statfs"), false}} {
		s := &Service{cfg: ServiceConfig{DiskUsed: func() (int, error) { return c.used, c.err }}}
		err := s.Ready(t.Context())
		if (err != nil) != c.refused {
			t.Errorf("%d %% used: %v", c.used, err)
		}
		if err != nil && !strings.Contains(err.Error(), "paas doctor") {
			t.Errorf("the error names no next step: %v", err)
		}
	}
}
