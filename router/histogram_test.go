package router

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsMeet(t *testing.T) {
	for i := range buckets {
		if b := bucketOf(lowest(i)); b != i {
			t.Fatalf("bucket %d begins at %s, which falls into %d", i, lowest(i), b)
		}
		if b := bucketOf(lowest(i+1) - time.Microsecond); b != i {
			t.Fatalf("bucket %d ends before %s, which falls into %d", i, lowest(i+1), b)
		}
	}
	if bucketOf(-time.Second) != 0 || bucketOf(1000*time.Hour) != buckets-1 {
		t.Error("what is out of range is not counted at the ends")
	}
}

// Quantiles are within the error that is promised, however durations spread
// and however often the histogram was written, read and added up.
func TestQuantiles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	for name, draw := range map[string]func() time.Duration{
		"exponential": func() time.Duration { return time.Duration(rnd.ExpFloat64() * float64(80*time.Millisecond)) },
		"log-normal": func() time.Duration {
			return time.Duration(math.Exp(rnd.NormFloat64()*2) * float64(20*time.Millisecond))
		},
		"two humps": func() time.Duration { return []time.Duration{3 * time.Millisecond, 2 * time.Second}[rnd.IntN(2)] },
		"one":       func() time.Duration { return 123456 * time.Microsecond },
	} {
		var all []time.Duration
		var sum Histogram
		for range 20 {
			var part Histogram
			for range 1 + rnd.IntN(200) {
				d := max(draw(), 64*time.Microsecond)
				all = append(all, d)
				part.Observe(d)
			}
			b, err := part.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := sum.AddBinary(b); err != nil {
				t.Fatal(err)
			}
		}
		slices.Sort(all)
		if sum.Count() != int64(len(all)) {
			t.Errorf("%s: %d of %d", name, sum.Count(), len(all))
		}
		for _, q := range []float64{0, 0.01, 0.5, 0.95, 0.99, 1} {
			truth := all[max(int(math.Ceil(q*float64(len(all)))), 1)-1]
			if got := sum.Quantile(q); math.Abs(float64(got-truth)) > QuantileError*float64(truth)+float64(time.Microsecond) {
				t.Errorf("%s: quantile %v is %s, truly %s", name, q, got, truth)
			}
		}
	}
	if q := new(Histogram).Quantile(0.5); q != 0 {
		t.Errorf("quantile of nothing: %s", q)
	}
}

func TestHistogramBelow(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{0, 1023 * time.Microsecond, 1024 * time.Microsecond, time.Hour} {
		h.Observe(d)
	}
	if n := h.Below(1024 * time.Microsecond); n != 2 {
		t.Errorf("%d below 1.024 ms", n)
	}
	if h.Sum() != time.Hour+2047*time.Microsecond {
		t.Errorf("sum %s", h.Sum())
	}
}

// Bytes of whatever origin are read or refused, and read back the same.
func FuzzHistogram(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3, 5, 0, 1})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var h, again Histogram
		if h.AddBinary(b) != nil {
			if h != again {
				t.Error("something was counted of bytes that were refused")
			}
			return
		}
		out, err := h.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.AddBinary(out); err != nil || again != h {
			t.Errorf("%x came back as %x: %v", b, out, err)
		}
	})
}
