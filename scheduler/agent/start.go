package agent

import (
	"context"
	"net"
	"strconv"
	"time"
)

// start brings the process to run. It is false when it did not: crashed
// (reported), told to stop, or ctx ended.
func (i *instance) start(ctx context.Context) (Container, bool) {
	if closed(i.stop) {
		// It may still run, from an earlier agent: removing it is all there is
		// to do, but how it ended should be known.
		if i.adopted.Running {
			i.end = i.watch(ctx, i.adopted)
		}
		return Container{}, false
	}
	if i.adopted.Running {
		i.log.Info("taking over a running container")
		return i.adopted, true
	}
	if i.a.Attach && i.adopted.Instance != "" && i.adopted.Started.IsZero() {
		i.reportExit(Status{ExitCode: cannotRun, Platform: true,
			Reason: "it did not run: the host's agent was restarted before its client came"})
		return Container{}, false
	}
	ctx, cancel := i.untilStop(ctx)
	defer cancel()
	if i.a.Revive && !i.a.OneOff && i.adopted.Instance != "" {
		i.log.Info("starting again what the machine ran before it went down")
		if i.insist(ctx, func() error { return i.rt.Stop(ctx, i.a.ID, 0) }) != nil {
			return Container{}, false
		}
	}
	c, err := i.startAtLast(ctx)
	if ctx.Err() != nil {
		return c, false
	}
	if err != nil {
		s := Status{State: Crashed, Reason: err.Error(), Platform: KindOf(err) != FaultApp}
		if i.a.OneOff {
			s.State, s.ExitCode = Exited, startCode(err)
		}
		i.report(s)
		return c, false
	}
	// One that ran before this agent was found too late to be adopted (the
	// engine was away). It may long be up: calling it starting would take it
	// out of the router.
	if c.Started.After(i.born) { // also when it has ended already: it did start
		i.report(Status{State: Starting, Addr: i.addr(c), At: c.Started})
	}
	return c, true
}

// startAtLast repeats the start for as long as the kind of its error allows.
func (i *instance) startAtLast(ctx context.Context) (Container, error) {
	began := time.Now()
	told := ""
	for pause := retryFirst; ; pause = min(2*pause, retryLast) {
		c, err := i.startOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return c, err
		}
		switch KindOf(err) {
		case FaultApp, FaultLasting:
			return c, err
		case FaultEngine:
			began = time.Now() // the bound is for an engine that answers
		case FaultPassing:
			if time.Since(began) > i.cfg.StartBound {
				return c, err
			}
		}
		if err.Error() != told {
			told = err.Error()
			i.report(Status{State: Starting, Reason: told, Platform: true})
		}
		if sleep(ctx, pause) != nil {
			return c, err
		}
	}
}

func (i *instance) startOnce(ctx context.Context) (Container, error) {
	select {
	case i.starts <- struct{}{}:
		defer func() { <-i.starts }()
		return i.rt.Start(ctx, i.a)
	case <-ctx.Done():
		return Container{}, ctx.Err()
	}
}

// addr is where the instance is reached, empty when it takes no requests.
func (i *instance) addr(c Container) string {
	if i.a.Port != 0 && c.Addr != "" {
		return c.Addr
	}
	return i.inside(c)
}

// inside is where the instance is reached from its own host.
func (i *instance) inside(c Container) string {
	if i.a.Port == 0 || c.IP == "" {
		return ""
	}
	return net.JoinHostPort(c.IP, strconv.Itoa(i.a.Port))
}
