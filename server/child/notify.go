package child

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"time"
)

// notifySocket receives what a service tells systemd when it is ready.
type notifySocket struct {
	conn *net.UnixConn
	name string
}

// listenNotify opens the socket under an abstract name: nothing is left on
// disk, and the length of the data directory's path does not matter.
func listenNotify() (*notifySocket, error) {
	name := "@paas-notify-" + rand.Text()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("open the readiness socket: %w", err)
	}
	return &notifySocket{conn: conn, name: name}, nil
}

// wait returns nil when the child has said that it is ready.
func (n *notifySocket) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = n.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, 4096)
	for {
		size, err := n.conn.Read(buf)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("wait for readiness: %w", err)
		}
		for line := range bytes.Lines(buf[:size]) {
			if bytes.Equal(bytes.TrimSpace(line), []byte("READY=1")) {
				return nil
			}
		}
	}
}

func (n *notifySocket) close() { _ = n.conn.Close() }
