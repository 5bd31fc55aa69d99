package drain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"paas/server"
)

// wire is syslog over TCP, with TLS or without. A collector says nothing back,
// so what the kernel took is taken for delivered; a connection that the other
// side closed is noticed before the next line goes into it.
type wire struct {
	cfg   *Config
	u     server.DrainURL
	token string
	buf   []byte
	ends  []int // where each frame of buf ends

	conn    net.Conn
	closed  chan struct{} // closed when the other side is gone
	watcher sync.WaitGroup
}

func (w *wire) send(ctx context.Context, lines []server.LogLine) (int, error) {
	if w.conn != nil {
		select {
		case <-w.closed:
			w.close()
		default:
		}
	}
	if w.conn == nil {
		if err := w.dial(ctx); err != nil {
			return 0, err
		}
	}
	w.buf, w.ends = w.buf[:0], w.ends[:0]
	for _, l := range lines {
		w.buf = appendFrame(w.buf, l, w.token)
		w.ends = append(w.ends, len(w.buf))
	}
	conn := w.conn
	_ = conn.SetWriteDeadline(time.Now().Add(w.cfg.Timeout))
	stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	n, err := conn.Write(w.buf)
	if err == nil {
		return len(lines), nil
	}
	w.close() // a frame may be torn: the next connection begins with it whole
	whole := 0
	for whole < len(w.ends) && w.ends[whole] <= n {
		whole++
	}
	return whole, fmt.Errorf("send: %w", err)
}

func (w *wire) dial(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, w.cfg.Timeout)
	defer done()
	dialer := &net.Dialer{Control: w.cfg.Guard.Control}
	conn, err := dialer.DialContext(ctx, "tcp", w.u.Addr())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if w.u.Kind == server.DrainSyslogTLS {
		secure := tls.Client(conn, tlsConfig(w.cfg, w.u))
		if err := secure.HandshakeContext(ctx); err != nil {
			return errors.Join(fmt.Errorf("connect with TLS: %w", err), conn.Close())
		}
		conn = secure
	}
	closed := make(chan struct{})
	w.conn, w.closed = conn, closed
	w.watcher.Go(func() {
		defer close(closed)
		_, _ = io.Copy(io.Discard, conn) // ends with the connection
	})
	return nil
}

func (w *wire) close() {
	if w.conn == nil {
		return
	}
	_ = w.conn.Close()
	w.watcher.Wait()
	w.conn = nil
}

func tlsConfig(cfg *Config, u server.DrainURL) *tls.Config {
	return &tls.Config{ServerName: u.Host, RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}
}
