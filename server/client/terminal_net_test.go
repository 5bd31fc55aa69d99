package client

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slow is a proxy that holds every byte back for a while, each way.
func slow(t *testing.T, to string, delay time.Duration) (addr string, conns *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns = &atomic.Int32{}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	type piece struct {
		b  []byte
		at time.Time
	}
	pass := func(dst, src net.Conn) {
		pieces := make(chan piece, 10000)
		wg.Go(func() {
			defer dst.Close()
			for p := range pieces {
				time.Sleep(time.Until(p.at))
				if _, err := dst.Write(p.b); err != nil {
					src.Close()
				}
			}
		})
		defer close(pieces)
		for {
			b := make([]byte, 16<<10)
			n, err := src.Read(b)
			if n > 0 {
				pieces <- piece{b[:n], time.Now().Add(delay)}
			}
			if err != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			wg.Go(func() { pass(a, b) })
			wg.Go(func() { pass(b, a) })
		}
	})
	return l.Addr().String(), conns
}

// freezer is a proxy that can stop passing bytes on while it holds the
// connections open, as a cable that was pulled does.
func freezer(t *testing.T, to string) (addr string, freeze func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var frozen atomic.Bool
	var wg sync.WaitGroup
	over := make(chan struct{})
	t.Cleanup(func() { close(over); l.Close(); wg.Wait() })
	pass := func(dst, src net.Conn) {
		defer dst.Close()
		b := make([]byte, 32<<10)
		for {
			n, err := src.Read(b)
			if frozen.Load() {
				<-over
				return
			}
			if _, werr := dst.Write(b[:n]); err != nil || werr != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			wg.Go(func() { pass(a, b) })
			wg.Go(func() { pass(b, a) })
		}
	})
	return l.Addr().String(), func() { frozen.Store(true) }
}
