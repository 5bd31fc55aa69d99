package web

import (
	"fmt"
	"sync"

	"paas/server"
)

// crowd counts what is under way for each account, so that one person leaves
// room for the others. Its zero value lets nobody in.
type crowd struct {
	what string // "requests"; for who is turned away
	own  int    // at once for one account
	all  int    // at once for everybody

	mu    sync.Mutex
	by    map[string]int
	total int
}

// What of the dashboard is under way at once. A stream lasts as long as its
// page is open; a browser opens one or two a page.
const (
	ownRequests, allRequests = 200, 5000
	// ownTexts are whole outputs, up to 10 MB each in memory, while they are sent.
	ownTexts, allTexts = 3, 20
)

// readings is how many whole outputs are made into pages at once; others wait.
const readings = 4

// outputOf is what a deploy has printed, as its page shows it, and whether
// that is all.
func (s *Server) outputOf(v *visit, d server.Deploy) (output, bool, error) {
	select {
	case s.readings <- struct{}{}:
	case <-v.ctx().Done():
		return output{}, false, v.ctx().Err()
	}
	defer func() { <-s.readings }()
	all, ended, err := s.svc.DeployOutput(v.ctx(), v.actor(), d.AppID, d.ID)
	if err != nil {
		return output{}, false, err
	}
	return readOutput(all, ended), ended, nil
}

func newCrowd(what string, own, all int) *crowd {
	return &crowd{what: what, own: own, all: all, by: map[string]int{}}
}

// admit counts one in; the function counts it out.
func (c *crowd) admit(account string) (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[account] >= c.own {
		return nil, &server.Error{ID: server.ErrRate, Message: fmt.Sprintf("You have %d %s under way with the dashboard, which is the limit. Nothing was changed.", c.own, c.what),
			Next: "Close some of its pages and try again."}
	}
	if c.total >= c.all {
		return nil, &server.Error{ID: server.ErrUnavailable, Message: fmt.Sprintf("The dashboard has %d %s under way, which is its limit. Nothing was changed.", c.all, c.what),
			Next: "Try again in a moment."}
	}
	c.by[account]++
	c.total++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.total--
		if c.by[account]--; c.by[account] == 0 {
			delete(c.by, account)
		}
	}, nil
}
