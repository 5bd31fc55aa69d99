package cluster

import (
	"os"
	"testing"

	"paas/cmd/paas/platformtest"
)

// built is what TestMain builds once.
var built platformtest.Built

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	var remove func()
	// Without the race detector: times are measured here.
	built, remove = platformtest.Build("pc-", "../faults/testdata/app", "-tags", "failpoint")
	defer remove()
	return m.Run()
}
