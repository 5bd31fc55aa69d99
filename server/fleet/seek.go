package fleet

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// stray is a server that does not lead, with whom it has named.
type stray struct{ from, leader string }

const (
	probeLimit = time.Second // for a server to say that it leads
	seekFirst  = 100 * time.Millisecond
	seekLast   = 800 * time.Millisecond
)

// sign sends a sign of life to one server, by a connection to it.
type sign func(ctx context.Context, way http.RoundTripper, to string) error

// touch sends a sign of life to whoever leads each time it is due, until ctx
// ends. It is the first to see that another leads, and finds it.
func (c *Client) touch(ctx context.Context, due <-chan struct{}, send sign) {
	for {
		var hint string
		select {
		case <-due:
			named, ok := c.touchOnce(ctx, send)
			if ok {
				continue
			}
			hint = named
		case s := <-c.lost:
			if s.from != c.connections().to {
				continue // it was left meanwhile
			}
			hint = s.leader
		case <-ctx.Done():
			return
		}
		c.seek(ctx, send, hint)
	}
}

// touchOnce gives false when the server does not answer or does not lead, and
// who does as far as it knows.
func (c *Client) touchOnce(ctx context.Context, send sign) (leader string, ok bool) {
	limited, cancel := context.WithTimeout(ctx, beatLimit)
	defer cancel()
	l := c.connections()
	err := send(limited, l.beat, l.to)
	if ctx.Err() != nil {
		return "", true
	}
	var refused *Refusal
	if errors.As(err, &refused) && refused.Status == http.StatusMisdirectedRequest {
		c.toldServers(refused.Servers)
		return refused.Leader, false
	}
	c.noted(err)
	return "", err == nil || refused != nil
}

// seek asks all servers who leads until one says that it does, or ctx ends.
func (c *Client) seek(ctx context.Context, send sign, hint string) {
	s := &search{c: c, send: send, ways: map[string]*http.Transport{}}
	defer s.end()
	asked := false
	for pause := seekFirst; ; pause = min(2*pause, seekLast) {
		to, named, err := s.probe(ctx, hint)
		if ctx.Err() != nil {
			return
		}
		if to != "" {
			c.settle(to)
			c.noted(err)
			return
		}
		c.noted(err)
		if hint = named; named != "" && !asked && !slices.Contains(c.candidates(""), named) {
			asked = true // whom nobody has spoken of before
			continue
		}
		asked = false
		rest(ctx, pause/2+rand.N(pause)) // a thousand hosts do not come at the same moment
	}
}

// search is for who leads. It keeps its connections from one round to the next.
type search struct {
	c    *Client
	send sign
	ways map[string]*http.Transport // by server
}

func (s *search) end() {
	for _, t := range s.ways {
		t.CloseIdleConnections()
	}
}

// answered is what one server has said when it was asked whether it leads.
type answered struct {
	from string
	err  error
}

// leads says whether it does: one that refuses this host leads as well.
func (a answered) leads() bool {
	var refused *Refusal
	return a.err == nil || errors.As(a.err, &refused) && (refused.Status == http.StatusForbidden || refused.Status == http.StatusUnauthorized)
}

// probe sends a sign of life to all, which only the leader takes. It gives who
// has taken it, else who was named as the leader.
func (s *search) probe(ctx context.Context, hint string) (to, named string, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	list := s.c.candidates(hint)
	said := make(chan answered, len(list))
	for _, to := range list {
		if s.ways[to] == nil {
			s.ways[to] = newTransport(s.c.tls)
		}
		way := s.ways[to]
		go func() { said <- answered{to, s.send(ctx, way, to)} }()
	}
	for range list { // all are waited for, which the context bounds
		a := <-said
		var refused *Refusal
		switch {
		case to != "":
		case a.leads():
			to, err = a.from, a.err
			cancel()
		case errors.As(a.err, &refused) && refused.Status == http.StatusMisdirectedRequest:
			s.c.toldServers(refused.Servers)
			named = refused.Leader
		case err == nil || a.from == hint:
			err = a.err
		}
		if a.err != nil && refused == nil {
			s.ways[a.from].CloseIdleConnections() // what is dead tells nobody so
			delete(s.ways, a.from)
		}
	}
	if to == "" && err == nil {
		err = errNoLeader
	}
	return to, named, err
}

var errNoLeader = errors.New("no server of the control plane leads")
