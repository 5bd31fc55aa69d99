package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"paas/scheduler/agent"
)

// Dial connects to a port of a running container, on the app's own network.
func (r *Runtime) Dial(ctx context.Context, instance string, port int) (net.Conn, error) {
	id, err := r.find(ctx, instance)
	if err != nil {
		return nil, err
	}
	c, _, err := r.inspect(ctx, id)
	switch {
	case missing(err):
		return nil, fmt.Errorf("instance %s: %w", instance, agent.ErrNoContainer)
	case err != nil:
		return nil, err
	case !c.Running:
		return nil, fmt.Errorf("instance %s: %w", instance, agent.ErrNotRunning)
	case c.IP == "":
		return nil, errors.New("the container has no address")
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(c.IP, strconv.Itoa(port)))
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("nothing listens on 0.0.0.0:%d; the process has to listen on all addresses, not on 127.0.0.1 only: %w", port, syscall.ECONNREFUSED)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("no answer within %s", r.cfg.CallTimeout)
	}
	return conn, err
}
