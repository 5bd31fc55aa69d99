package agenttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// reach says of each address whether it takes a connection: "open", "refused"
// by something on the way or at its end, or "silent".
func (p Process) reach(ctx context.Context) int {
	for _, addr := range p.Args[1:] {
		c, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", addr)
		var slow net.Error
		switch {
		case err == nil:
			c.Close()
			fmt.Fprintln(p.Out, addr, "open")
		case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ECONNREFUSED):
			fmt.Fprintln(p.Out, addr, "refused")
		case errors.As(err, &slow) && slow.Timeout():
			fmt.Fprintln(p.Out, addr, "silent")
		default:
			fmt.Fprintln(p.Out, addr, err)
		}
	}
	return 0
}

// lookup asks the resolver that the process was given.
func (p Process) lookup(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupHost(ctx, p.Args[1])
	fmt.Fprintln(p.Out, found, err)
	if err != nil {
		return 1
	}
	return 0
}
