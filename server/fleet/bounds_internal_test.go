package fleet

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

func TestCounts(t *testing.T) {
	var c counts
	for i, step := range []struct {
		who  string
		want bool
	}{{"a", true}, {"a", true}, {"a", false}, {"b", true}} {
		if got := c.enter(step.who, 2); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	c.leave("a")
	if !c.enter("a", 2) {
		t.Error("what was left is not there")
	}
	for range 3 {
		c.leave("a")
		c.leave("b")
	}
	if len(c.of) != 0 {
		t.Errorf("%v stays", c.of)
	}
}

func TestTriesPerMinute(t *testing.T) {
	l, now := newLimiter(2), time.Now()
	for i, want := range []bool{true, true, false} {
		if got := l.allow("a", now); got != want {
			t.Errorf("try %d: %v", i, got)
		}
	}
	if !l.allow("b", now) || !l.allow("a", now.Add(61*time.Second)) {
		t.Error("another address, and another minute, are refused")
	}
}

// One address leaves room for others, and gives back what it has.
func TestConnectionsPerAddress(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := newBounded(ln, 10, 2)
	t.Cleanup(func() { _ = b.Close() })
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := b.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	dial()
	dial()
	first := <-accepted
	<-accepted
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("the third is served")
	}
	_ = first.Close() // gives its place back
	dial()
	<-accepted
}

// However many strangers hold their places, whoever comes next is served: the one
// that has been there longest goes.
func TestStrangersKeepNobodyOut(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := newBounded(ln, 16, 64) // 4 may be strangers, of one address 8
	b.patience = time.Hour
	t.Cleanup(func() { _ = b.Close() })
	come := func() (near, far net.Conn) {
		near, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = near.Close() })
		far, err = b.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = far.Close() })
		return near, far
	}
	gone := func(c net.Conn) bool {
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		return !errors.Is(err, os.ErrDeadlineExceeded)
	}
	host, far := come()
	far.(*boundedConn).known()
	var strangers []net.Conn
	for range 7 {
		near, _ := come()
		strangers = append(strangers, near)
	}
	for i, c := range strangers {
		if want := i < 3; gone(c) != want {
			t.Errorf("stranger %d has gone: %v", i, !want)
		}
	}
	if gone(host) {
		t.Error("the host was sent away")
	}
	if n := b.lobby.guests.Len(); n != 4 {
		t.Errorf("%d are in the lobby", n)
	}
}
