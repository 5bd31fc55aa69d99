package router

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// newDialer makes connections that end when the instance's machine has not
// acknowledged anything for as long as a connect may take. A machine that died
// does not say so: without this its requests would wait for their first byte,
// or for ever. An app that is slow is another thing, its kernel answers.
func newDialer(l Limits) *net.Dialer {
	return &net.Dialer{
		Timeout:         l.Connect,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: max(1, int(l.Connect/time.Second)-2)},
		Control: func(_, _ string, c syscall.RawConn) error {
			var failed error
			err := c.Control(func(fd uintptr) {
				failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(l.Connect/time.Millisecond))
			})
			if err != nil {
				return err
			}
			return failed
		},
	}
}
