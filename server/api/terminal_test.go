package api

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func TestFrames(t *testing.T) {
	for _, f := range []Frame{
		{Channel: ChannelStdin, Data: []byte("x\x00\xff")}, {Channel: ChannelStdout, Data: []byte{}}, {Channel: ChannelStderr, Data: []byte("e")},
		{Channel: ChannelResize, Size: WindowSize{Rows: 24, Cols: 65535}}, {Channel: ChannelEOF},
		{Channel: ChannelExit, Exit: TerminalExit{Code: -1, Text: "größer"}}, {Channel: ChannelWindow, Grant: 1 << 31},
	} {
		got, err := ParseFrame(f.Encode())
		if err != nil || got.Channel != f.Channel || !bytes.Equal(got.Data, f.Data) || got.Size != f.Size || got.Exit != f.Exit || got.Grant != f.Grant {
			t.Errorf("%+v: %+v %v", f, got, err)
		}
	}
	for _, bad := range []string{"", "\x07", "\xff", "\x03", "\x03\x00\x00\x00", "\x04x", "\x05\x00", "\x05\x00\x00\x00\x00\xff", "\x06", strings.Repeat("\x00", MaxTerminalMessage+1)} {
		if f, err := ParseFrame([]byte(bad)); err == nil {
			t.Errorf("%.20q: %+v", bad, f)
		}
	}
	if long := (Frame{Channel: ChannelExit, Exit: TerminalExit{Text: strings.Repeat("ä", 5000)}}).Encode(); len(long) > MaxTerminalMessage || !utf8.Valid(long[5:]) {
		t.Errorf("a long text: %d bytes", len(long))
	}
}

func FuzzParseFrame(f *testing.F) {
	for _, s := range []string{"\x00abc", "\x03\x00\x18\x00\x50", "\x04", "\x05\x00\x00\x00\x03text", "\x06\x00\x01\x00\x00", "\x07", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := ParseFrame(b)
		if err != nil {
			if !errors.Is(err, errFrame) {
				t.Errorf("%v", err)
			}
			return
		}
		if again := frame.Encode(); !bytes.Equal(again, b) {
			t.Errorf("%q became %q", b, again)
		}
	})
}

// wire joins two links without a network.
type wire struct {
	out chan<- []byte
	in  <-chan []byte
}

func (w wire) Send(b []byte) error { w.out <- append([]byte(nil), b...); return nil }

func (w wire) Receive() ([]byte, error) {
	b, ok := <-w.in
	if !ok {
		return nil, io.ErrUnexpectedEOF
	}
	return b, nil
}

func TestLinkCarriesMoreThanItsWindow(t *testing.T) {
	ab, ba := make(chan []byte, 1000), make(chan []byte, 1000)
	nothing := func(Frame) error { return nil }
	a, b := NewLink(wire{ab, ba}, nothing), NewLink(wire{ba, ab}, nothing)
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Serve() })
	wg.Go(func() { _ = b.Serve() })
	data := bytes.Repeat([]byte("0123456789abcde\n"), 4*TerminalWindow/16)
	go func() {
		_, err := a.Writer(ChannelStdin).Write(data)
		if err == nil {
			err = a.Send(Frame{Channel: ChannelEOF})
		}
		if err != nil {
			t.Error(err)
		}
	}()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	close(ab)
	close(ba)
	wg.Wait()
	if _, err := a.Writer(ChannelStdin).Write(make([]byte, 2*TerminalWindow)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("writing to what has ended: %v", err)
	}
}

// Who sends more than was granted, or after its end, is cut off; what is kept
// for a reader that does not come stays within the window.
func TestLinkHoldsToTheWindow(t *testing.T) {
	in := make(chan []byte, 100)
	l := NewLink(wire{make(chan []byte, 100), in}, func(Frame) error { return nil })
	piece := Frame{Channel: ChannelStdin, Data: make([]byte, MaxTerminalMessage-1)}.Encode()
	for range TerminalWindow/len(piece) + 2 {
		in <- piece
	}
	if err := l.Serve(); !errors.Is(err, errFrame) || l.queued > TerminalWindow {
		t.Errorf("%v, %d bytes kept", err, l.queued)
	}
	in = make(chan []byte, 100)
	l = NewLink(wire{make(chan []byte, 100), in}, func(Frame) error { return nil })
	in <- Frame{Channel: ChannelEOF}.Encode()
	in <- piece
	if err := l.Serve(); !errors.Is(err, errFrame) {
		t.Errorf("more after the end: %v", err)
	}
	in = make(chan []byte, 1000)
	l = NewLink(wire{make(chan []byte, 100), in}, func(Frame) error { return nil })
	for range 1000 {
		in <- []byte{0, 'x'}
	}
	close(in)
	if _ = l.Serve(); len(l.queue) != 1 {
		t.Errorf("a thousand bytes, one by one, are kept in %d pieces", len(l.queue))
	}
}
