package fleet

import (
	"math"
	"testing"
)

// What the store cannot hold is left out; it takes the figures of all apps at once
// or none.
func TestCountsAreSane(t *testing.T) {
	for want, list := range map[bool][]edgeCount{
		true:  {{}, {Release: 7, Status: [6]int64{0, 0, 9}, Bytes: 1 << 40}, {Release: math.MaxInt32}},
		false: {{Release: -1}, {Release: math.MaxInt32 + 1}, {Bytes: -1}, {Bytes: math.MaxInt64}, {Status: [6]int64{5: math.MaxInt64}}, {Status: [6]int64{-1}}},
	} {
		for _, c := range list {
			if got := len(batchMessage{Counts: few[edgeCount]{c}}.batch().Counts) == 1; got != want {
				t.Errorf("%+v is taken: %v", c, got)
			}
		}
	}
}
