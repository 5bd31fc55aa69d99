package router

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"time"
)

// The buckets of a Histogram: sixteen to each doubling, from 64 µs to about 71
// minutes, so that the middle of a bucket is never more than 1/32 away from
// what fell into it. Below are sixteen of 4 µs each.
const (
	subBits     = 4
	firstOctave = 6
	lastOctave  = 31
	buckets     = (1 + lastOctave - firstOctave + 1) << subBits
)

// QuantileError is how far Quantile may be from the truth, as a fraction of
// it: for times of 64 µs to 71 minutes.
const QuantileError = 1.0 / 32

// Histogram counts durations. It has a fixed size, two of them add up without
// loss, and the zero value is empty. It is not safe for concurrent use.
type Histogram struct {
	n      int64
	sum    time.Duration
	counts [buckets]int64
}

func bucketOf(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0))
	octave := bits.Len64(us) - 1
	switch {
	case octave < firstOctave:
		return int(us >> (firstOctave - subBits))
	case octave > lastOctave:
		return buckets - 1
	}
	return (octave-firstOctave+1)<<subBits + int(us>>(octave-subBits))&(1<<subBits-1)
}

// lowest is where bucket i begins; that of buckets is where the last one ends.
func lowest(i int) time.Duration {
	octave, sub := i>>subBits-1+firstOctave, uint64(i)&(1<<subBits-1)
	if octave < firstOctave {
		return time.Duration(sub<<(firstOctave-subBits)) * time.Microsecond
	}
	return time.Duration((1<<subBits+sub)<<(octave-subBits)) * time.Microsecond
}

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	h.n++
	h.sum += d
	h.counts[bucketOf(d)]++
}

// Count is how many durations were counted.
func (h *Histogram) Count() int64 { return h.n }

// Sum is their sum, exact for those counted here and within QuantileError for
// those that were read with AddBinary.
func (h *Histogram) Sum() time.Duration { return h.sum }

// Add counts what another one has counted.
func (h *Histogram) Add(o *Histogram) {
	h.n += o.n
	h.sum += o.sum
	for i, c := range o.counts {
		h.counts[i] += c
	}
}

// Quantile is the smallest duration that at least the part q (0 to 1) of all
// does not exceed; 0 when there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := min(max(int64(q*float64(h.n)+0.999999), 1), h.n)
	for i, c := range h.counts {
		if rank -= c; rank <= 0 && c > 0 {
			return (lowest(i) + lowest(i+1)) / 2
		}
	}
	return 0
}

// Below counts the durations below a bound. It is exact for powers of two of a
// microsecond from 64 µs on; others are moved down to the next bucket.
func (h *Histogram) Below(bound time.Duration) (n int64) {
	for _, c := range h.counts[:bucketOf(bound)] {
		n += c
	}
	return n
}

// AppendBinary adds the counts in a short form: for each bucket that is not
// empty, how many buckets lie between it and the one before, and its count.
func (h *Histogram) AppendBinary(b []byte) ([]byte, error) {
	next := 0
	for i, c := range h.counts {
		if c == 0 {
			continue
		}
		b = binary.AppendUvarint(b, uint64(i-next))
		b = binary.AppendUvarint(b, uint64(c))
		next = i + 1
	}
	return b, nil
}

var errHistogram = errors.New("not a histogram of this version")

// AddBinary counts what AppendBinary has written. On an error nothing is
// counted.
func (h *Histogram) AddBinary(b []byte) error {
	var read Histogram
	for at := 0; len(b) > 0; at++ {
		gap, n := binary.Uvarint(b)
		if n <= 0 || gap >= buckets {
			return errHistogram
		}
		count, m := binary.Uvarint(b[n:])
		if at += int(gap); m <= 0 || at >= buckets || count == 0 || count > 1<<48 {
			return errHistogram
		}
		b = b[n+m:]
		read.counts[at] = int64(count)
		read.n += int64(count)
		read.sum += (lowest(at) + lowest(at+1)) / 2 * time.Duration(count)
	}
	h.Add(&read)
	return nil
}
