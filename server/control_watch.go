package server

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"paas/scheduler/agent"
)

// Watch is agent.Control.
func (c *Control) Watch(ctx context.Context, host string) <-chan []agent.Assignment {
	out := make(chan []agent.Assignment)
	wake, stop := c.bell.Listen(HostTopic(host), PlacedTopic(host))
	c.watches.Add(1)
	go func() {
		defer close(out)
		defer stop()
		defer c.watches.Add(-1)
		set := hostSet{host: host, byID: map[string]*assigned{}}
		defer func() { c.keep(nil, set.list) }()
		for again := true; ctx.Err() == nil; {
			retry := c.lookAgain()
			gone, err := c.discards.of(ctx, c.store, host)
			if err == nil {
				err = c.look(ctx, &set, again)
			}
			if err == nil {
				select {
				case out <- slices.Concat(set.assignments(), gone, c.ahead(host)):
				case <-ctx.Done():
					return
				}
				again = false
			} else if ctx.Err() == nil {
				c.log.Warn("read assignments", "host", host, "err", err)
				retry = 200 * time.Millisecond
			}
			select {
			case <-wake:
			case <-time.After(retry):
				again = true
			case <-ctx.Done():
			}
		}
	}()
	return out
}

// lookAgain is when all of a host's assignments are read though no notice came:
// not for what is placed, but for what else of an app may have changed. All hosts
// together ask a hundred times a second at most, and not at the same moment.
func (c *Control) lookAgain() time.Duration {
	every := max(5*time.Second, time.Duration(c.watches.Load())*10*time.Millisecond)
	return every - time.Duration(rand.Int64N(int64(every/4)))
}

// hostSet is what a host is to run as it was last read: of what is read later
// only as much is made anew as has changed.
type hostSet struct {
	host string
	list []*assigned
	byID map[string]*assigned
}

type assigned struct {
	agent.Assignment
	release string
}

func (h *hostSet) known(id string) bool { return h.byID[id] != nil }

func (h *hostSet) assignments() []agent.Assignment {
	out := make([]agent.Assignment, len(h.list))
	for i, a := range h.list {
		out[i] = a.Assignment
	}
	return out
}

// look brings a set up to date; whole: with all that it says.
func (c *Control) look(ctx context.Context, h *hostSet, whole bool) error {
	if !whole {
		return c.lookForNews(ctx, h)
	}
	placed, err := c.store.Assigned(ctx, h.host)
	if err != nil {
		return err
	}
	list, byID := make([]*assigned, 0, len(placed)), make(map[string]*assigned, len(placed))
	for _, pl := range placed {
		a, err := c.assigned(pl)
		if err != nil {
			return err
		}
		list, byID[a.ID] = append(list, a), a
	}
	c.keep(list, h.list)
	h.list, h.byID = list, byID
	c.placed(h)
	return nil
}

func (c *Control) lookForNews(ctx context.Context, h *hostSet) error {
	news, err := c.store.AssignedNews(ctx, h.host, h.known)
	if err != nil {
		return err
	}
	list, fresh := make([]*assigned, 0, len(news.All)), []*assigned(nil)
	for _, in := range news.All {
		a := h.byID[in.ID]
		if a == nil {
			if a, err = c.assigned(news.Fresh[in.ID]); err != nil {
				return err
			}
			fresh = append(fresh, a)
		}
		list = append(list, a)
	}
	for i, in := range news.All {
		list[i].Stop = stops(in.State)
	}
	for _, a := range fresh {
		h.byID[a.ID] = a
	}
	c.keep(fresh, nil)
	same := len(fresh) == 0 && len(list) == len(h.list)
	if len(list)-len(fresh) < len(h.list) {
		c.keep(nil, h.leave(news.All))
	}
	if h.list = list; !same {
		c.placed(h)
	}
	return nil
}

// placed tells which apps have something on a host.
func (c *Control) placed(h *hostSet) {
	if c.cfg.Placed == nil {
		return
	}
	apps := make(map[string]bool, len(h.list))
	for _, a := range h.list {
		apps[a.AppID] = true
	}
	c.cfg.Placed(h.host, apps)
}

// leave forgets those that are not among all, and gives them.
func (h *hostSet) leave(all []AssignedState) (gone []*assigned) {
	here := make(map[string]bool, len(all))
	for _, in := range all {
		here[in.ID] = true
	}
	for id, a := range h.byID {
		if !here[id] {
			gone = append(gone, a)
			delete(h.byID, id)
		}
	}
	return gone
}

func (c *Control) assigned(pl Placed) (*assigned, error) {
	a, err := c.assignment(pl)
	return &assigned{a, pl.Release.ID}, err
}

// stops says that an instance in this state is to be stopped.
func stops(state string) bool { return state == "stopping" || state == "crashed" }

// keep counts for each release the instances that hosts have of it; what there
// is none of any more is forgotten.
func (c *Control) keep(come, gone []*assigned) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range come {
		c.users[come[i].release]++
	}
	for i := range gone {
		id := gone[i].release
		if c.users[id]--; c.users[id] == 0 {
			delete(c.users, id)
			delete(c.configs, id)
		}
	}
}
