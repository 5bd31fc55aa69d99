package docker

import (
	"context"
	"errors"
	"net"

	"paas/scheduler/agent"
)

var errNotYet = errors.New("not yet")

// Attach is not there yet.
func (r *Runtime) Attach(ctx context.Context, instance string, io agent.IO, ready func()) error {
	return errNotYet
}

// Exec is not there yet.
func (r *Runtime) Exec(ctx context.Context, instance string, command []string, env map[string]string, tty bool, io agent.IO) (int, error) {
	return 0, errNotYet
}

// Dial is not there yet.
func (r *Runtime) Dial(ctx context.Context, instance string, port int) (net.Conn, error) {
	return nil, errNotYet
}
