package docker_test

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// proxy stands between a runtime and the engine and can fall silent.
type proxy struct {
	address string

	mu    sync.Mutex
	awake chan struct{} // closed while it passes bytes on
	conns map[net.Conn]bool
	down  bool
}

func newProxy(t *testing.T) *proxy {
	path := filepath.Join(t.TempDir(), "engine.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: "unix://" + path, awake: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(p.awake)
	var work sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		p.resume()
		p.cut()
		work.Wait()
	})
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { p.serve(c, &work) })
		}
	})
	return p
}

func (p *proxy) serve(c net.Conn, work *sync.WaitGroup) {
	up, err := net.Dial("unix", strings.TrimPrefix(socket, "unix://"))
	if err != nil || !p.keep(c, up) {
		c.Close()
		return
	}
	done := make(chan struct{})
	work.Go(func() {
		defer close(done)
		p.pass(c, up)
		up.(*net.UnixConn).CloseWrite() //nolint:errcheck // closed below
	})
	p.pass(up, c)
	c.Close()
	<-done
	up.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	delete(p.conns, up)
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
	return !p.down
}

func (p *proxy) pass(from io.Reader, to io.Writer) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		awake := p.awake
		p.mu.Unlock()
		<-awake
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// hang stops passing bytes on; connections stay.
func (p *proxy) hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.awake = make(chan struct{})
}

// resume goes on where it stopped.
func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.awake:
	default:
		close(p.awake)
	}
}

// cut breaks all connections, as an engine that is restarted does.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}
