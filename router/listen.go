package router

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// slotListener accepts at most cap(slots) connections at a time; more wait in
// the kernel's queue.
type slotListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newSlotListener(l net.Listener, n int) *slotListener {
	return &slotListener{Listener: l, slots: make(chan struct{}, n), closed: make(chan struct{})}
}

func (l *slotListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &slotConn{Conn: c, release: func() { <-l.slots }}, nil
}

func (l *slotListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// plainListener yields guarded HTTP/1 connections.
type plainListener struct {
	net.Listener
	limits Limits
}

func (l plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newGuardConn(c, l.limits), nil
}

// tlsListener shakes hands before it yields a connection, because what
// net/http must be given depends on the protocol agreed on: a *tls.Conn for
// HTTP/2, a guarded connection for HTTP/1. A slow handshake holds up nobody.
type tlsListener struct {
	net.Listener
	limits Limits
	config *tls.Config

	ctx    context.Context // of all handshakes; ends in Close
	cancel context.CancelFunc
	ready  chan net.Conn
	failed chan error
	wg     sync.WaitGroup
}

func newTLSListener(l net.Listener, config *tls.Config, limits Limits) *tlsListener {
	t := &tlsListener{Listener: l, limits: limits, config: config, ready: make(chan net.Conn), failed: make(chan error)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.wg.Add(1)
	go t.acceptLoop()
	return t
}

func (t *tlsListener) acceptLoop() {
	defer t.wg.Done()
	for {
		c, err := t.Listener.Accept()
		if err != nil {
			select {
			case t.failed <- err: // net/http waits and calls Accept again if err is temporary
				continue
			case <-t.ctx.Done():
				return
			}
		}
		t.wg.Add(1)
		go t.handshake(c)
	}
}

func (t *tlsListener) handshake(raw net.Conn) {
	defer t.wg.Done()
	ctx, cancel := context.WithTimeout(t.ctx, t.limits.ReadHeader)
	defer cancel()
	conn := tls.Server(raw, t.config)
	// Handshake errors are clients' doings (scanners, wrong protocol) and
	// happen all day: not worth a log line each.
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return
	}
	var c net.Conn = conn
	if state := conn.ConnectionState(); state.NegotiatedProtocol != "h2" {
		c = &tlsGuardConn{guardConn: newGuardConn(conn, t.limits), state: state}
	}
	select {
	case t.ready <- c:
	case <-t.ctx.Done():
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		_ = c.Close()
	}
}

func (t *tlsListener) Accept() (net.Conn, error) {
	select {
	case c := <-t.ready:
		return c, nil
	case err := <-t.failed:
		return nil, err
	case <-t.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close stops accepting and waits for the handshakes under way, which it ends.
func (t *tlsListener) Close() error {
	t.cancel()
	err := t.Listener.Close()
	t.wg.Wait()
	return err
}
