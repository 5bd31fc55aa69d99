package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The doors that one server opens at another that leads, or may not lead: DoorLogs. Each is a protocol of
// its own in the TLS handshake, with HTTP/1.1 behind: what comes through it was
// let in by the server in front.
const (
	DoorAPI       = "paas-api/1"
	DoorOperator  = "paas-operator/1" // requests of the unix socket, of whoever the kernel vouched for
	DoorDashboard = "paas-dashboard/1"
)

const (
	// remoteHeader is the address of the client that the server in front saw.
	// It means something behind a door of a server only.
	remoteHeader = "Paas-Remote-Addr"

	doorLimit = 2 * time.Second // to a leader, with its first word
	welcome   = 'L'             // that word: it leads
)

// errNotLeading says that the server at the other end does not lead.
var errNotLeading = errors.New("it does not lead")

// Peers opens doors of other servers on the same database.
type Peers struct {
	id   string
	auth *Authority

	mu   sync.Mutex
	cert *tls.Certificate
}

// NewPeers makes it for the server with that id.
func NewPeers(id string, auth *Authority) *Peers { return &Peers{id: id, auth: auth} }

// Dial opens a door of a server that leads. Until it returns nothing was sent
// that could have been acted upon.
func (p *Peers) Dial(ctx context.Context, addr, door string) (net.Conn, error) {
	cert, err := p.certificate()
	if err != nil {
		return nil, err
	}
	return openDoor(ctx, &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: p.auth.pool(), ServerName: controlName, Certificates: []tls.Certificate{*cert}}, addr, door)
}

// openDoor is Dial for whoever a configuration says.
func openDoor(ctx context.Context, config *tls.Config, addr, door string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, doorLimit)
	defer cancel()
	config.NextProtos = []string{door}
	d := tls.Dialer{NetDialer: &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: pingAfter, Interval: pingLimit, Count: 2}}, Config: config}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("reach the server at %s: %w", addr, err)
	}
	end := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	word := make([]byte, 1)
	_, err = io.ReadFull(c, word)
	if !end() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server at %s: %w", addr, errNotLeading), c.Close())
	}
	return c, nil
}

// certificate is the server's own towards others, made anew at half its life.
func (p *Peers) certificate() (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cert != nil && time.Until(p.cert.Leaf.NotAfter) > leafLife/2 {
		return p.cert, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := p.auth.issue(&x509.Certificate{Subject: roleServer.subject(p.id),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, &key.PublicKey, leafLife)
	if err != nil {
		return nil, err
	}
	p.cert = &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	return p.cert, nil
}

// doors serves what other servers forward.
type doors struct {
	auth    *Authority
	epoch   func() int64
	router  func(leaf *x509.Certificate) bool // it is one; they come for the dashboard only
	servers []*http.Server
	next    map[string]func(*http.Server, *tls.Conn, http.Handler)
	queues  []*queue
	running sync.WaitGroup
}

// newDoors makes a server behind each door. Handlers are looked up at each
// request: nil means not yet.
func newDoors(auth *Authority, epoch func() int64, router func(*x509.Certificate) bool, behind func(door string) http.Handler, log *slog.Logger) *doors {
	d := &doors{auth: auth, epoch: epoch, router: router, next: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	if behind == nil {
		return d
	}
	for _, door := range []string{DoorAPI, DoorOperator, DoorDashboard, DoorLogs} {
		q := &queue{conns: make(chan net.Conn), closed: make(chan struct{})}
		d.queues = append(d.queues, q)
		d.servers = append(d.servers, &http.Server{ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * keptFor, MaxHeaderBytes: 128 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if epoch() == 0 && door != DoorLogs { // it did when the connection came
					w.Header().Set(leftHeader, "1")
					w.Header().Set("Connection", "close")
					http.Error(w, "This server has ceased to lead. Nothing was changed; try again in a moment.", http.StatusServiceUnavailable)
					return
				}
				h := behind(door)
				if h == nil {
					http.Error(w, "The platform is starting. Try again in a moment.", http.StatusServiceUnavailable)
					return
				}
				r.RemoteAddr = r.Header.Get(remoteHeader)
				r.Header.Del(remoteHeader)
				h.ServeHTTP(w, r)
			})})
		d.next[door] = func(_ *http.Server, c *tls.Conn, _ http.Handler) {
			d.enter(c, q, behind(door) != nil && d.admits(door, c), door == DoorLogs)
		}
	}
	return d
}

func (d *doors) protocols() []string {
	var names []string
	for name := range d.next {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// enter lets a server in while this one leads, and stays until the connection
// ends; it ends with the term. Through some it comes always.
func (d *doors) enter(c *tls.Conn, q *queue, ready, always bool) {
	epoch := d.epoch()
	if epoch == 0 && !always || !ready {
		return // the caller closes it
	}
	if b, ok := c.NetConn().(*boundedConn); ok {
		b.known()
	}
	if _, err := c.Write([]byte{welcome}); err != nil {
		return
	}
	guest := &visitor{Conn: c, gone: make(chan struct{})}
	select {
	case q.conns <- guest:
	case <-q.closed:
		return
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-guest.gone:
			return
		case <-tick.C:
			if !always && d.epoch() != epoch {
				return // what it waits for happens elsewhere now
			}
		}
	}
}

// admits says whether the other end has shown a certificate that is good for a
// door.
func (d *doors) admits(door string, c *tls.Conn) bool {
	certs := c.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return false
	}
	_, err := certs[0].Verify(x509.VerifyOptions{Roots: d.auth.pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	switch {
	case err != nil:
		return false
	case roleOf(certs[0]) == roleServer:
		return true
	}
	return door == DoorDashboard && roleOf(certs[0]) == roleRouter && d.router(certs[0])
}

func (d *doors) run() {
	for i, srv := range d.servers {
		d.running.Go(func() { _ = srv.Serve(d.queues[i]) }) // ends with close
	}
}

// close ends all that was let in.
func (d *doors) close() {
	for _, srv := range d.servers {
		_ = srv.Close() // queues close without an error
	}
	d.running.Wait()
}

// queue is a listener for connections that were accepted elsewhere.
type queue struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }

// visitor is a connection whose end is told.
type visitor struct {
	net.Conn
	once sync.Once
	gone chan struct{}
}

func (v *visitor) Close() error {
	v.once.Do(func() { close(v.gone) })
	return v.Conn.Close()
}
