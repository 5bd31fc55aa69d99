package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"paas/server/durable"
)

// The control plane may be several servers, of which one leads. An agent goes to
// the one that led last; when that does not answer, or leads no more, all are
// asked at once, again and again, until one says that it leads.

// servers is what an agent keeps of them, in its data directory.
type servers struct {
	Leader string `json:"leader,omitempty"` // who led last, HOST:PORT
	Sealed []byte `json:"servers,omitempty"`
	// Former is the newest list that named a server which the one after did not. One
	// that is started anew is on no list for that long, and may lead when it is back.
	Former []byte `json:"former,omitempty"`
}

func serversFile(dir string) string { return filepath.Join(dir, "servers.json") }

// readServers gives what is kept, and whom both lists name; a list that is not
// the control plane's is none.
func readServers(id Identity, dir string) (s servers, list, former []string, err error) {
	text, err := os.ReadFile(serversFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil, nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err == nil && len(s.Sealed) > 0 {
		list, err = unsealServers(id.SignKey, s.Sealed)
	}
	if err == nil && len(s.Former) > 0 {
		former, err = unsealServers(id.SignKey, s.Former)
	}
	if err != nil {
		return servers{}, nil, nil, fmt.Errorf("read %s: %w", serversFile(dir), err)
	}
	return s, list, former, nil
}

func (s servers) write(dir string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return durable.Write(serversFile(dir), append(text, '\n'))
}

// recallServers begins with who led when this agent last ran.
func (c *Client) recallServers() {
	kept, list, former, err := readServers(c.id, c.cfg.Dir)
	if err != nil {
		c.log.Warn("the list of servers is not used; this host begins with the one it joined", "err", err)
	}
	c.servers, c.list, c.former = kept, list, former
	to := kept.Leader
	if to == "" || to != c.id.Server && !slices.Contains(slices.Concat(list, former), to) {
		to = c.id.Server
	}
	c.lines = c.newLines(to)
}

// told takes a list of servers that one of them has sent, and keeps it.
func (c *Client) toldServers(sealed []byte) {
	if len(sealed) == 0 {
		return
	}
	list, err := unsealServers(c.Identity().SignKey, sealed)
	if err != nil {
		c.log.Error("a list of servers is not believed", "err", err)
		return
	}
	c.mu.Lock()
	if slices.ContainsFunc(c.list, func(to string) bool { return !slices.Contains(list, to) }) {
		c.former, c.servers.Former = c.list, c.servers.Sealed
	}
	c.list, c.servers.Sealed = list, sealed
	kept := c.servers
	c.mu.Unlock()
	c.keepServers(kept)
}

// serversSum says which list of servers this host has.
func (c *Client) serversSum() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return sumOf(c.servers.Sealed)
}

func (c *Client) keepServers(s servers) {
	if err := s.write(c.cfg.Dir); err != nil {
		c.log.Warn("keep the list of servers; it is used all the same", "err", err)
	}
}

// candidates are whom to ask who leads: first whoever is said to.
func (c *Client) candidates(hint string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]string, 0, len(c.list)+len(c.former)+3)
	for _, to := range slices.Concat([]string{hint, c.lines.to, c.id.Server}, c.list, c.former) {
		if to != "" && !slices.Contains(out, to) {
			out = append(out, to)
		}
	}
	return out
}

// astray has whoever leads be looked for: a server has said that it is not it.
func (c *Client) astray(from string, err error) {
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Status != http.StatusMisdirectedRequest {
		return
	}
	c.toldServers(refused.Servers)
	select {
	case c.lost <- stray{from, refused.Leader}:
	default: // it is looked for already
	}
}

// heardOf takes what a server says that leads.
func (c *Client) heardOf(l inOffice) {
	c.toldServers(l.Servers)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = max(c.heard, l.Epoch)
}

// settle makes a server the one that everything goes to. What is under way to
// another ends at once.
func (c *Client) settle(to string) {
	c.mu.Lock()
	old, other := c.lines, c.lines.to != to
	if other {
		c.lines, c.told = c.newLines(to), "elsewhere" // which is logged
	} else {
		c.lines.beat = newTransport(c.tls)
	}
	close(c.back)
	c.back = make(chan struct{})
	changed := c.servers.Leader != to
	c.servers.Leader = to
	kept := c.servers
	c.mu.Unlock()
	if other {
		old.leave()
		old.closeIdle()
	} else {
		old.beat.CloseIdleConnections()
	}
	if changed {
		c.keepServers(kept)
	}
}
