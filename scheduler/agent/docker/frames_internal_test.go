package docker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const stamp = "2026-01-02T03:04:05."

func frame(stream byte, body string) []byte {
	b := []byte{stream, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(b[4:], uint32(len(body)))
	return append(b, body...)
}

// TestSplit feeds the frames of old and new engines.
func TestSplit(t *testing.T) {
	x := strings.Repeat("x", part)
	cut := func(n int) []string { return []string{x[:maxChunk], x[maxChunk:] + strings.Repeat("y", n)} }
	for name, c := range map[string]struct {
		frames [][]byte
		want   []string
	}{
		"plain":           {[][]byte{frame(1, stamp+"1Z a\n"), frame(2, stamp+"2Z b\n"), frame(1, stamp+"3Z \n")}, []string{"a", "b", ""}},
		"spaces, returns": {[][]byte{frame(1, stamp+"1Z  a \r\n")}, []string{" a \r"}},
		"cut, new engine": {[][]byte{frame(1, stamp+"1Z "+x), frame(1, stamp+"1Z yyy\n"), frame(1, stamp+"2Z z\n")}, append(cut(3), "z")},
		"cut, old engine": {[][]byte{frame(1, stamp+"1Z "+x), frame(1, stamp+"1Z yyy"), frame(1, stamp+"2Z z\n")}, append(cut(3), "z")},
		"cut at the end":  {[][]byte{frame(1, stamp+"1Z "+x), frame(1, stamp+"1Z "), frame(1, stamp+"2Z z\n")}, append(cut(0), "z")},
		"cut, streams":    {[][]byte{frame(1, stamp+"1Z "+x), frame(2, stamp+"2Z e\n"), frame(1, stamp+"1Z yy\n")}, []string{cut(0)[0], "e", cut(2)[1]}},
		"last words":      {[][]byte{frame(1, stamp+"1Z a\n"), frame(1, stamp+"2Z half")}, []string{"a", "half"}},
		"last full part":  {[][]byte{frame(1, stamp+"1Z "+x)}, cut(0)},
	} {
		var got []string
		var last time.Time
		err := split(bytes.NewReader(slices.Concat(c.frames...)), time.Time{}, true, func(at time.Time, s string) {
			if !at.After(last) {
				t.Errorf("%s: %s after %s", name, at, last)
			}
			last = at
			got = append(got, s)
		})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %d lines %.60q, %v", name, len(got), got, err)
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"torn header": frame(1, "")[:5],
		"torn body":   frame(1, stamp+"1Z abc\n")[:20],
		"no time":     frame(1, "hello world\n"),
		"no space":    frame(1, stamp+"1Z"),
		"stream 9":    frame(9, stamp+"1Z a\n"),
		"huge":        {1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
		"from engine": frame(3, "log file is gone"),
	} {
		if err := split(bytes.NewReader(b), time.Time{}, true, func(time.Time, string) {}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// FuzzSplit: no input makes it panic, give a long line or go back in time, and
// reading again from any line gives the rest.
func FuzzSplit(f *testing.F) {
	f.Add(slices.Concat(frame(1, stamp+"1Z a\n"), frame(2, stamp+"1Z b\n"), frame(1, stamp+"0Z c")))
	f.Add(frame(1, stamp+"1Z "+strings.Repeat("x", 25000)+"\n"))
	f.Add(frame(3, "x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func(since time.Time) (out []string, ats []time.Time) {
			last := since
			_ = split(bytes.NewReader(b), since, true, func(at time.Time, s string) {
				if !at.After(last) || len(s) > maxChunk {
					t.Fatalf("%d bytes of %s after %s", len(s), at, last)
				}
				last = at
				out, ats = append(out, s), append(ats, at)
			})
			return out, ats
		}
		all, ats := read(time.Time{})
		if len(all) > 0 {
			k := len(b) % len(all)
			if rest, _ := read(ats[k]); !slices.Equal(rest, all[k+1:]) {
				t.Fatalf("since line %d of %d: %s", k, len(all), fmt.Sprint(len(rest)))
			}
		}
	})
}

func FuzzDrain(f *testing.F) {
	f.Add([]byte(`{"status":"Pulling"}{"error":"manifest unknown","errorDetail":{"message":"x"}}`))
	f.Fuzz(func(_ *testing.T, b []byte) { _ = drain(bytes.NewReader(b), func() {}) })
}
