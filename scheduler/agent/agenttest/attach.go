package agenttest

import (
	"context"
	"errors"
	"net"

	"paas/scheduler/agent"
)

var errNotYet = errors.New("not yet")

// Sessions is not there yet.
func (c *Control) Sessions(ctx context.Context, host string) <-chan agent.Session {
	out := make(chan agent.Session)
	go func() { <-ctx.Done(); close(out) }()
	return out
}

// Attach is not there yet.
func (f *Fake) Attach(ctx context.Context, instance string, io agent.IO, ready func()) error {
	return errNotYet
}

// Exec is not there yet.
func (f *Fake) Exec(ctx context.Context, instance string, command []string, env map[string]string, tty bool, io agent.IO) (int, error) {
	return 0, errNotYet
}

// Dial is not there yet.
func (f *Fake) Dial(ctx context.Context, instance string, port int) (net.Conn, error) {
	return nil, errNotYet
}
