package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"paas/scheduler/agent"
	"paas/server/durable"
)

// lastSet is the file with the newest set, as it was signed: what this host
// runs when the control plane is not there after a restart.
func (c *Client) lastSet() string { return filepath.Join(c.cfg.Dir, "assignments") }

// recall notes the number of the last set, so that an older one is refused
// after a restart too.
func (c *Client) recall() {
	sealed, err := os.ReadFile(c.lastSet())
	if err != nil {
		return // there was none, or pass will say it
	}
	if s, err := unseal(c.id.SignKey, sealed); err == nil && s.Host == c.id.Host {
		c.last.epoch, c.last.seq = s.Epoch, s.Seq
	}
}

// Watch is agent.Control. When the control plane does not answer at the start
// the host goes on with what it was last told.
func (c *Client) Watch(ctx context.Context, _ string) <-chan []agent.Assignment {
	sealed, out := make(chan []byte), make(chan []agent.Assignment)
	go func() {
		defer close(sealed)
		c.follow(ctx, "/v1/assignments", maxSet, func(b []byte) error {
			select {
			case sealed <- b:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	go func() {
		defer close(out)
		c.pass(ctx, sealed, out)
	}()
	return out
}

// pass hands on the sets that may be followed, until sealed closes.
func (c *Client) pass(ctx context.Context, sealed <-chan []byte, out chan<- []agent.Assignment) {
	alone := time.NewTimer(c.cfg.Alone)
	defer alone.Stop()
	for {
		var list []agent.Assignment
		var err error
		select {
		case b, ok := <-sealed:
			if !ok {
				return
			}
			if list, err = c.accept(b); err == nil {
				alone.Stop()
			}
		case <-alone.C:
			list, err = c.remembered()
		}
		if err != nil {
			c.log.Error("a set of assignments is not followed; what runs goes on", "err", err)
			continue
		}
		select {
		case out <- list:
		case <-ctx.Done():
		}
	}
}

// accept checks a set and keeps it.
func (c *Client) accept(sealed []byte) ([]agent.Assignment, error) {
	c.mu.Lock()
	least := c.heard
	c.mu.Unlock()
	list, err := c.open(sealed, least)
	if err != nil {
		return nil, err
	}
	if err := durable.Write(c.lastSet(), sealed); err != nil {
		c.log.Warn("keep the newest set of assignments; it is followed all the same", "err", err)
	}
	return list, nil
}

// remembered is the set of before the restart.
func (c *Client) remembered() ([]agent.Assignment, error) {
	sealed, err := os.ReadFile(c.lastSet())
	if err != nil {
		return nil, fmt.Errorf("the control plane does not answer, and there is no earlier set: %w", err)
	}
	c.log.Warn("the control plane does not answer; running what it last said")
	list, err := c.open(sealed, 0)
	for i := range list {
		list[i].Revive = true // after a reboot nobody else starts it again
	}
	return list, err
}

// open checks that a set is the control plane's, for this host, and none that
// was overtaken, by another or by a leader of at least that epoch.
func (c *Client) open(sealed []byte, least int64) ([]agent.Assignment, error) {
	id := c.Identity()
	s, err := unseal(id.SignKey, sealed)
	if err != nil {
		return nil, err
	}
	if s.Host != id.Host {
		return nil, fmt.Errorf("the set of assignments is another host's, %s", s.Host)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Epoch < least {
		return nil, fmt.Errorf("the set of assignments is of a server that leads no more: its epoch is %d, and another has led under %d", s.Epoch, least)
	}
	if s.Epoch < c.last.epoch || s.Epoch == c.last.epoch && s.Seq < c.last.seq {
		return nil, fmt.Errorf("the set of assignments is an old one: epoch %d number %d, and the newest was epoch %d number %d. If the control plane was restored from a backup, remove %s and start the agent again",
			s.Epoch, s.Seq, c.last.epoch, c.last.seq, c.lastSet())
	}
	c.last.epoch, c.last.seq = s.Epoch, s.Seq
	list := unwrap(s.Assignments)
	for i := range list {
		list[i].Image = c.localImage(list[i].Image)
	}
	c.images.note(list, time.Now())
	return list, nil
}

// localImage makes an image come from the loopback registry of this machine.
func (c *Client) localImage(ref string) string {
	_, name, ok := strings.Cut(ref, "/")
	if !ok || c.cfg.Registry == "" {
		return ref
	}
	return c.cfg.Registry + "/" + name
}

// follow reads the frames of a stream, over broken connections, until ctx ends
// or take fails. Empty ones only say that the other end is there.
func (c *Client) follow(ctx context.Context, path string, limit uint32, take func([]byte) error) {
	for pause := 100 * time.Millisecond; ctx.Err() == nil; {
		began, back := time.Now(), c.returns()
		open, err := c.stream(ctx, path, limit, take)
		if ctx.Err() != nil {
			return
		}
		if !open { // that one broke off says nothing yet: it is so after each renewal
			c.noted(err)
		}
		if time.Since(began) > 2*keepAlive {
			pause = 100 * time.Millisecond
		}
		select {
		case <-time.After(pause):
		case <-back:
		case <-ctx.Done():
		}
		pause = min(2*pause, 2*time.Second)
	}
}

var errQuiet = errors.New("the control plane has said nothing for too long")

// stream is one connection of follow; open says whether it came to be.
func (c *Client) stream(ctx context.Context, path string, limit uint32, take func([]byte) error) (open bool, err error) {
	l := c.connections()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.left, func() { cancel(context.Canceled) })()
	quiet := time.AfterFunc(quietLimit, func() { cancel(errQuiet) })
	defer quiet.Stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url(path), nil)
	if err != nil {
		return false, err
	}
	answer, err := l.streams.RoundTrip(r)
	if err != nil {
		return false, cause(ctx, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(answer.Body, maxJoin)) // the status says enough
		err := refusal(answer.StatusCode, body)
		c.astray(l.to, err)
		return false, err
	}
	c.noted(nil)
	for {
		frame, err := readFrame(answer.Body, limit)
		if err != nil {
			return true, cause(ctx, err)
		}
		quiet.Reset(quietLimit)
		if len(frame) == 0 {
			continue
		}
		if err := take(frame); err != nil {
			return true, err
		}
	}
}

// cause is why a context ended, if it has, else err.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}
