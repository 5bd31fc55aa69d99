package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"paas/router"
	"paas/server"
)

// Which apps the apps on a host reach goes by a stream of its own: it changes with
// each deploy of a linked app, while what the host is to run does not.

const (
	linksPrefix = "paas links 1\x00"
	maxLinks    = 32 << 20 // bytes: 50 linked apps with 100 instances each for some thousand apps
)

// linkSet is what the doors of a host serve, as it is signed. Its version grows
// over changes of who leads.
type linkSet struct {
	Epoch int64        `json:"epoch"`
	Host  string       `json:"host"`
	Links router.Links `json:"links"`
}

// linkAck is POST /v1/links/ack: what the doors serve, and what is under way to
// instances that left.
type linkAck struct {
	Version int64         `json:"version"`
	Busy    few[busyWith] `json:"busy,omitempty"`
}

type busyWith struct {
	Instance string `json:"i"`
	Requests int    `json:"n"`
}

// links streams what the doors of a host serve.
func (t *term) links(w http.ResponseWriter, r *http.Request, host string) {
	if t.cfg.Links == nil {
		t.answer(w, r, nil, server.Errorf(server.ErrNotFound, "There are no links here."))
		return
	}
	ctx, cancel := t.whileLeading(r)
	defer cancel()
	t.seq.replace("links of "+host, cancel)
	out := newStream(w)
	if out.flush() != nil {
		return
	}
	all := t.cfg.Links.WatchLinks(ctx, host)
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		var err error
		select {
		case l, ok := <-all:
			if !ok {
				return
			}
			err = t.sendLinks(out, linkSet{Epoch: t.epoch, Host: host, Links: l})
		case <-alive.C:
			if _, err = t.identify(r); err == nil { // it may have been removed meanwhile
				err = out.frame(nil)
			}
		}
		if err != nil {
			return // the host comes again
		}
	}
}

func (t *term) sendLinks(out *stream, s linkSet) error {
	sealed, err := sealAs(linksPrefix, t.auth.sign, s)
	if err != nil {
		return err
	}
	if len(sealed) > maxLinks {
		t.log.Error("ALARM: a host has more linked apps than it is told at once; its doors go on with what they have", "host", s.Host, "bytes", len(sealed), "limit", maxLinks)
		return nil
	}
	if t.leading() != t {
		return errOver
	}
	return out.frame(sealed)
}

func (t *term) ackLinks(w http.ResponseWriter, r *http.Request, host string) {
	var a linkAck
	err := read(w, r, maxBody, &a)
	if err == nil && t.cfg.Links != nil {
		busy := make(map[string]int, len(a.Busy))
		for _, b := range a.Busy {
			busy[b.Instance] = b.Requests
		}
		t.cfg.Links.AckLinks(router.Ack{Router: host, Version: a.Version, Busy: busy})
	}
	t.answer(w, r, done{}, err)
}

// WatchLinks is router.LinkSource. While the control plane is away the doors serve
// what they were last told.
func (c *Client) WatchLinks(ctx context.Context, _ string) <-chan router.Links {
	out := make(chan router.Links)
	go func() {
		defer close(out)
		newest := int64(0)
		c.follow(ctx, "/v1/links", maxLinks, func(sealed []byte) error {
			l, err := c.openLinks(sealed, newest)
			if err != nil {
				c.log.Error("what was said of linked apps is not followed; the doors go on as they are", "err", err)
				return nil
			}
			newest = l.Version
			select {
			case out <- l:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return out
}

// openLinks checks that links are the control plane's, for this host, and none
// that were overtaken.
func (c *Client) openLinks(sealed []byte, newest int64) (router.Links, error) {
	id := c.Identity()
	text, ok := signedText(linksPrefix, id.SignKey, sealed)
	if !ok {
		return router.Links{}, errors.New("it is not signed by the control plane that this host joined")
	}
	var s linkSet
	if err := json.Unmarshal(text, &s); err != nil {
		return router.Links{}, fmt.Errorf("read it: %w", err)
	}
	c.mu.Lock()
	heard := c.heard
	c.mu.Unlock()
	switch {
	case s.Host != id.Host:
		return router.Links{}, fmt.Errorf("it is another host's, %s", s.Host)
	case s.Epoch < heard:
		return router.Links{}, fmt.Errorf("it is of a server that leads no more: its epoch is %d, and another has led under %d", s.Epoch, heard)
	case s.Links.Version < newest:
		return router.Links{}, fmt.Errorf("it is an old one: %d, and the newest was %d", s.Links.Version, newest)
	}
	return s.Links, nil
}

// AckLinks is router.LinkSource. One that could not be sent is replaced by the
// next.
func (c *Client) AckLinks(a router.Ack) {
	select {
	case <-c.linksDue:
	default:
	}
	select {
	case c.linksDue <- a:
	default:
	}
}

func (c *Client) sendLinkAcks(ctx context.Context) {
	for {
		select {
		case a := <-c.linksDue:
			if a.Version == 0 {
				continue // it was told nothing yet
			}
			m := linkAck{Version: a.Version}
			for id, n := range a.Busy {
				m.Busy = append(m.Busy, busyWith{id, n})
			}
			limited, cancel := context.WithTimeout(ctx, beatLimit)
			_ = c.quickly(limited, "/v1/links/ack", m, &done{}) // said again within a second; that it is away others say
			cancel()
		case <-ctx.Done():
			return
		}
	}
}
