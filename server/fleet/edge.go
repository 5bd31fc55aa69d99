package fleet

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"time"

	"paas/router"
	"paas/server"
)

// Routers is what the control plane knows of routers elsewhere; server.Routers
// is one.
type Routers interface {
	// Join makes a router of one that has a token. The same token with the same
	// key gives the same router again.
	Join(ctx context.Context, j server.RouterJoin) (id, name string, err error)
	// RouterByKey gives the router of a key; ErrNotFound when there is none any more.
	RouterByKey(ctx context.Context, keyHash []byte) (id string, err error)
	RenewKey(ctx context.Context, id string, from, to []byte) error
	// Follow begins a stream of tables, which is acknowledged by its name.
	Follow(ctx context.Context, id string) (stream string, tables <-chan router.Table, err error)
	Beat(id string, b server.RouterBeat) error
	Take(id string, b server.RouterBatch) error
}

// Edge is the part of a Config about routers.
type Edge struct {
	Routers      Routers      // nil: there are none elsewhere
	Newest       func() int64 // version of the newest table
	Domain       string       // of the apps
	PlatformHost string
}

const maxRouterMessages = 8

func (s *Server) edgeRoutes(mux *http.ServeMux) {
	if s.cfg.Routers == nil {
		return
	}
	within := func(serve func(*term, http.ResponseWriter, *http.Request, string)) http.HandlerFunc {
		return s.forRouter(func(t *term, w http.ResponseWriter, r *http.Request, id string) {
			if !s.messages.enter(id, maxRouterMessages) {
				s.answer(w, r, nil, server.Errorf(server.ErrRate, "This router has %d requests under way, which is the limit.", maxRouterMessages))
				return
			}
			defer s.messages.leave(id)
			serve(t, w, r, id)
		})
	}
	mux.HandleFunc("POST /v1/router/join", s.joinRouter)
	mux.HandleFunc("POST /v1/router/beat", within((*term).routerBeat))
	mux.HandleFunc("POST /v1/router/batch", within((*term).routerBatch))
	mux.HandleFunc("GET /v1/router/tables", s.forRouter((*term).tables)) // the newest one only
}

// forRouter serves a request of a router that is one, while this process leads.
func (s *Server) forRouter(serve func(t *term, w http.ResponseWriter, r *http.Request, id string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t := s.leading()
		if t == nil {
			s.misdirected(w, r)
			return
		}
		id, err := s.routerOf(r)
		if err != nil {
			s.answer(w, r, nil, err)
			return
		}
		serve(t, w, r, id)
	}
}

func (s *Server) routerOf(r *http.Request) (string, error) {
	leaf, err := s.certificateOf(r, time.Now())
	if err != nil {
		return "", err
	}
	if roleOf(leaf) != roleRouter {
		return "", errOtherRole
	}
	return s.ownerOf(r.Context(), leaf)
}

// joinRouter makes a router of somebody with a token.
func (s *Server) joinRouter(w http.ResponseWriter, r *http.Request) {
	reply, err := s.admitRouter(w, r)
	s.answer(w, r, reply, err)
}

func (s *Server) admitRouter(w http.ResponseWriter, r *http.Request) (*joinReply, error) {
	if from := whoseLimit(r.RemoteAddr); !s.joins.allow(from, time.Now()) {
		return nil, server.Errorf(server.ErrRate, "Too many tries to join from %s. Nothing was changed; try again in a minute.", from)
	}
	var q joinRequest
	if err := read(w, r, maxJoin, &q); err != nil {
		return nil, err
	}
	key, hash, err := keyOf(q.CSR)
	if err != nil {
		return nil, err
	}
	id, name, err := s.cfg.Routers.Join(r.Context(), server.RouterJoin{Token: q.Token, Addr: sender(r).String(), Version: q.Agent, Key: hash})
	if err != nil {
		return nil, err
	}
	cert, err := s.auth.member(roleRouter, id, key, s.cfg.CertificateLife)
	if err != nil {
		return nil, err
	}
	return &joinReply{Host: id, Name: name, SignKey: s.auth.sign.Public().(ed25519.PublicKey), Certificate: cert.Raw,
		Servers: s.sealedServers(s.where().Servers), Edge: s.edgeInfo()}, nil
}

func (s *Server) edgeInfo() *edgeInfo {
	return &edgeInfo{Domain: s.cfg.Domain, PlatformHost: s.cfg.PlatformHost}
}

func (s *term) routerBeat(w http.ResponseWriter, r *http.Request, id string) {
	var m beatMessage
	err := read(w, r, maxBody, &m)
	if err == nil {
		err = s.cfg.Routers.Beat(id, server.RouterBeat{Stream: m.Stream, Ack: router.Ack{Version: m.Version, Busy: m.Busy}, Addr: m.Addr, Version: m.Program, Leaving: m.Leaving,
			Examined: m.Examined, Findings: m.Findings})
	}
	s.answer(w, r, s.leads(m.Servers), err)
}

func (s *term) routerBatch(w http.ResponseWriter, r *http.Request, id string) {
	var m batchMessage
	err := read(w, r, maxBody, &m)
	if err == nil && len(m.Counts) > maxCounts {
		err = server.Errorf(server.ErrTooLarge, "A batch has at most %d counts.", maxCounts)
	}
	if err == nil {
		err = s.cfg.Routers.Take(id, m.batch())
	}
	s.answer(w, r, done{}, err)
}

// tables streams routing tables: the whole one at once, then what changes, and a
// sign of life in between.
func (s *term) tables(w http.ResponseWriter, r *http.Request, id string) {
	ctx, cancel := s.whileLeading(r)
	defer cancel()
	if !s.opens.allow(id, time.Now()) {
		s.answer(w, r, nil, server.Errorf(server.ErrRate, "This router has begun %d streams in a minute, which is the limit.", opensPerMinute))
		return
	}
	name, tables, err := s.cfg.Routers.Follow(ctx, id)
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	out := &tableStream{stream: newStream(w)}
	if out.send(tableFrame{Stream: name, Edge: s.edgeInfo()}) != nil {
		return
	}
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		select {
		case t, ok := <-tables:
			if !ok {
				return
			}
			if s.leading() != s {
				return // what was read may be old
			}
			err = out.table(t)
		case <-alive.C:
			if _, err = s.routerOf(r); err == nil { // it may have been removed meanwhile
				err = out.frame(nil)
			}
		}
		if err != nil {
			return // the router comes again
		}
	}
}

// tableStream is one router's stream of tables.
type tableStream struct {
	*stream
	version int64
	sent    map[string]router.Route // nil: nothing yet
}

func (s *tableStream) table(t router.Table) error {
	routes := byHost(t)
	f := tableFrame{Whole: &t}
	if s.sent != nil {
		f = tableFrame{Change: changeOf(s.version, s.sent, t.Version, routes)}
	}
	s.version, s.sent = t.Version, routes
	return s.send(f)
}

func (s *tableStream) send(f tableFrame) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return s.frame(text)
}

// knowsRouter says whether a certificate is of a router that was not removed.
func (s *Server) knowsRouter(leaf *x509.Certificate) bool {
	if s.cfg.Routers == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	id, err := s.ownerOf(ctx, leaf)
	return err == nil && id == leaf.Subject.CommonName
}
