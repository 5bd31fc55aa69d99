package web

import (
	"crypto/rand"
	"sync"
	"time"

	"paas/server"
)

const (
	ticketLife     = time.Minute // from the press of the button to the WebSocket
	maxTickets     = 2000
	maxOwnTickets  = 30 // of one session of the dashboard
	ticketsStopped = " Nothing was started."
)

// ticket is one session with an instance that somebody asked for by a POST and
// may begin once, by a WebSocket of the same session of the dashboard.
type ticket struct {
	session string // of the dashboard
	app     string // id
	dyno    string
	open    server.OpenRequest
	until   time.Time
}

// tickets are those not used yet.
type tickets struct {
	mu   sync.Mutex
	list map[string]ticket
}

// issue keeps a ticket and gives its secret.
func (ts *tickets) issue(t ticket) (string, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	now, own := time.Now(), 0
	for secret, have := range ts.list {
		if now.After(have.until) {
			delete(ts.list, secret)
		} else if have.session == t.session {
			own++
		}
	}
	if own >= maxOwnTickets || len(ts.list) >= maxTickets {
		return "", server.Errorf(server.ErrRate, "Too many terminals were asked for at once; wait a minute.%s", ticketsStopped)
	}
	secret := rand.Text()
	t.until = now.Add(ticketLife)
	ts.list[secret] = t
	return secret, nil
}

// settle says where a ticket leads, when that was not known yet. One that is
// not there any more stays so.
func (ts *tickets) settle(secret, dyno string, open server.OpenRequest) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t, ok := ts.list[secret]; ok {
		t.dyno, t.open = dyno, open
		ts.list[secret] = t
	}
}

func (ts *tickets) drop(secret string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	delete(ts.list, secret)
}

// take uses a ticket up. One that is shown by somebody else, or for another
// app, is used up too: its secret is out.
func (ts *tickets) take(secret, session, app string) (ticket, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t, ok := ts.list[secret]
	delete(ts.list, secret)
	if !ok || time.Now().After(t.until) || t.session != session || t.app != app {
		return ticket{}, server.Errorf(server.ErrNotFound, "This terminal was opened already, or not in time: open it anew.%s", ticketsStopped)
	}
	return t, nil
}
