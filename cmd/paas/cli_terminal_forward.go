package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"paas/server/client"
)

// maxForwarded is how many connections are forwarded at once; a server allows
// an app few more.
const maxForwarded = 40

func (c *cli) forwardCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ps:forward PORT[:DYNO_PORT][,...]", Short: "forward local ports to a running dyno", Args: takes(1, 1),
		Long: "Listen on ports of 127.0.0.1 and pass each connection on to a port of a running dyno, until Ctrl-C."}
	dyno := cmd.Flags().StringP("dyno", "d", defaultDyno, "dyno to forward to")
	return c.onApp(cmd, func(s *session, args []string) error {
		pairs, err := parseForwards(args[0])
		if err != nil {
			return usagef(s.cmd, "%s. Nothing was forwarded.", err)
		}
		return s.forwardAll(*dyno, pairs)
	})
}

// forwarding is one pair of ports.
type forwarding struct{ local, remote int }

func parseForwards(text string) ([]forwarding, error) {
	const most = 20
	var all []forwarding
	for part := range strings.SplitSeq(text, ",") {
		left, right, pair := strings.Cut(part, ":")
		if !pair {
			right = left
		}
		f := forwarding{}
		var err1, err2 error
		f.local, err1 = strconv.Atoi(left)
		f.remote, err2 = strconv.Atoi(right)
		if err1 != nil || err2 != nil || f.local < 0 || f.local > 65535 || f.remote < 1 || f.remote > 65535 {
			return nil, fmt.Errorf("%s is invalid. Must be in the format 8080, 8080:80 or 8080:80,9090", printable(part))
		}
		all = append(all, f)
	}
	if len(all) > most {
		return nil, fmt.Errorf("more than %d ports", most)
	}
	return all, nil
}

func (s *session) forwardAll(dyno string, pairs []forwarding) error {
	if s.away {
		return errAway
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	room := make(chan struct{}, maxForwarded)
	for _, p := range pairs {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.local)))
		if err != nil {
			return fmt.Errorf("listen on port %d: %w. Nothing was forwarded", p.local, err)
		}
		defer l.Close()                                      //nolint:errcheck // being thrown away
		stop := context.AfterFunc(ctx, func() { l.Close() }) //nolint:errcheck // as above
		defer stop()
		s.say("Listening on %s and forwarding to %s:%d", l.Addr(), printable(dyno), p.remote)
		wg.Go(func() { s.forwardFrom(ctx, l, dyno, p.remote, room) })
	}
	fmt.Fprintln(s.err, "Use CTRL+C to stop forwarding")
	<-ctx.Done()
	return nil // how it is ended
}

// forwardFrom passes on what a listener accepts, until that is closed.
func (s *session) forwardFrom(ctx context.Context, l net.Listener, dyno string, port int, room chan struct{}) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			_ = conn.Close()
			return
		}
		wg.Go(func() {
			defer func() { <-room }()
			defer conn.Close() //nolint:errcheck // all was said
			err := s.api.Forward(ctx, s.app, dyno, port, client.Terminal{In: conn, Out: conn})
			if err != nil && ctx.Err() == nil {
				s.complain(err)
			}
		})
	}
}
