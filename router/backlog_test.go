package router

import (
	"net"
	"syscall"
	"testing"
)

// shrinkBacklog makes the kernel queue as few connections as it can.
func shrinkBacklog(t *testing.T, l *net.TCPListener) {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = syscall.Listen(int(fd), 0) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}
