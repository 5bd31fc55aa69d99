package httpd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// listenSocket opens the operator's unix socket. A socket that a dead server
// left behind is taken over; one that answers, or any other file, is not.
func listenSocket(path string) (net.Listener, error) {
	const longest = 107 // of the kernel's sun_path
	if len(path) > longest {
		return nil, fmt.Errorf("%s: path is longer than %d bytes", path, longest)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	// Before this line others could connect; the peer check refuses them.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
		return fmt.Errorf("%s: another server listens there", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s: is another server there? %w", path, err)
	}
	return os.Remove(path)
}

type peerKey struct{}

// peer says who is at the other end of a unix socket.
type peer struct {
	uid uint32
	err error
}

// withPeer notes the user at the other end, for connections of the operator's
// socket; the kernel vouches for it.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	var p peer
	raw, err := u.SyscallConn()
	if err != nil {
		return context.WithValue(ctx, peerKey{}, peer{err: err})
	}
	err = raw.Control(func(fd uintptr) {
		cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
		if err != nil {
			p.err = err
			return
		}
		p.uid = cred.Uid
	})
	if err != nil {
		p.err = err
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// operator says whether the request came from the operator's socket, by root
// or by the user the server runs as.
func operator(ctx context.Context) bool {
	p, ok := ctx.Value(peerKey{}).(peer)
	return ok && p.err == nil && (p.uid == 0 || int64(p.uid) == int64(os.Getuid()))
}

// limitListener closes connections beyond its limits at once, so that neither
// many clients nor one can use up the server's file descriptors.
type limitListener struct {
	net.Listener
	max, perIP int

	mu    sync.Mutex
	total int
	byIP  map[string]int
}

// Limited bounds the connections that a listener gives, all and of one address,
// as the API's are.
func Limited(l net.Listener) net.Listener { return newLimitListener(l, maxConns, maxConnsPerIP) }

func newLimitListener(l net.Listener, most, perIP int) net.Listener {
	return &limitListener{Listener: l, max: most, perIP: perIP, byIP: map[string]int{}}
}

func (l *limitListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ip := remoteIP(c.RemoteAddr())
		if l.take(ip) {
			return &limitedConn{Conn: c, free: sync.OnceFunc(func() { l.give(ip) })}, nil
		}
		_ = c.Close()
	}
}

func (l *limitListener) take(ip string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.max || l.byIP[ip] >= l.perIP {
		return false
	}
	l.total++
	l.byIP[ip]++
	return true
}

func (l *limitListener) give(ip string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.byIP[ip]--; l.byIP[ip] == 0 {
		delete(l.byIP, ip)
	}
}

func remoteIP(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.IP.String()
	}
	return a.String()
}

type limitedConn struct {
	net.Conn
	free func()
}

func (c *limitedConn) Close() error {
	c.free()
	return c.Conn.Close()
}
