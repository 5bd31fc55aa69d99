package fleet

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"testing"

	"paas/scheduler/agent"
)

func TestSealedSets(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal(private, set{Epoch: 3, Seq: 4, Host: "h", Assignments: wrap([]agent.Assignment{{ID: "1"}})})
	if err != nil {
		t.Fatal(err)
	}
	s, err := unseal(public, sealed)
	if err != nil || s.Epoch != 3 || s.Host != "h" || unwrap(s.Assignments)[0].ID != "1" {
		t.Errorf("%+v %v", s, err)
	}
	for i := range sealed {
		broken := bytes.Clone(sealed)
		broken[i] ^= 1
		if _, err := unseal(public, broken); !errors.Is(err, errSignature) {
			t.Fatalf("byte %d is changed: %v", i, err)
		}
	}
	if _, err := unseal(nil, sealed); !errors.Is(err, errSignature) {
		t.Error(err)
	}
}

// Frames come from the network: no length and no text may do harm.
func FuzzFrames(f *testing.F) {
	var b bytes.Buffer
	for _, frame := range []string{"", "i0123", "r\x00\x01\x00\x02", "g", "x{}"} {
		if err := writeFrame(&b, []byte(frame)); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	f.Add([]byte{255, 255, 255, 255, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		r := bytes.NewReader(text)
		read := 0
		for {
			frame, err := readFrame(r, 2*frameData)
			if err != nil {
				break
			}
			read += 4 + len(frame)
		}
		if read > len(text) {
			t.Errorf("%d bytes out of %d", read, len(text))
		}
		_, w := io.Pipe()
		v := newVisit(w)
		v.read(bytes.NewReader(text)) // ends
		if !isClosed(v.gone) {
			t.Error("the client is still there")
		}
		l := newLink(agent.Session{}, nil)
		l.receive(bytes.NewReader(text)) // ends
		if !isClosed(l.closed) {
			t.Error("input is still wanted")
		}
	})
}
