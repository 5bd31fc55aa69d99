package fleet

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
)

// term is what this door knows and does for hosts while its process leads.
// Nothing of it outlives that: what was read before may be old.
type term struct {
	*Server
	ctx      context.Context
	epoch    int64
	known    *known
	sessions *sessions
	seq      sequence
}

// Lead serves hosts until ctx ends: it is a part of server.Leader. Before and
// after, hosts are told to go to whoever leads.
func (s *Server) Lead(ctx context.Context) error {
	t := &term{Server: s, ctx: ctx, epoch: s.cfg.Epoch(), known: newKnown(), sessions: newSessions()}
	s.term.Store(t)
	<-ctx.Done()
	s.term.CompareAndSwap(t, nil)
	return nil
}

// leading is the term this process is in, nil when it does not lead. A term that
// must not be trusted any more is none, also before its end was noticed.
func (s *Server) leading() *term {
	t := s.term.Load()
	if t == nil || t.epoch == 0 || t.ctx.Err() != nil || s.cfg.Epoch() != t.epoch {
		return nil
	}
	return t
}

// forHost serves a request of a host that is one, while this process leads.
func (s *Server) forHost(serve func(t *term, w http.ResponseWriter, r *http.Request, host string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t := s.leading()
		if t == nil {
			s.misdirected(w, r)
			return
		}
		host, err := s.identify(r)
		if err != nil {
			s.answer(w, r, nil, err)
			return
		}
		serve(t, w, r, host)
	}
}

// leads is what is told to one that has the list of servers with that sum.
func (t *term) leads(has string) inOffice {
	l := inOffice{Epoch: t.epoch}
	if sealed := t.sealedServers(t.where().Servers); sealed != nil && has != sumOf(sealed) {
		l.Servers = sealed
	}
	return l
}

// whileLeading is the context of a request that ends with the term.
func (t *term) whileLeading(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(t.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// forAny serves a request of a host also while this process does not lead:
// nothing but the store has a part in it.
func (s *Server) forAny(serve func(w http.ResponseWriter, r *http.Request, host string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, err := s.identify(r)
		if err != nil {
			s.answer(w, r, nil, err)
			return
		}
		serve(w, r, host)
	}
}

// Where are the servers of the control plane, as HOST:PORT for hosts.
type Where struct {
	Leader  string   // empty: nobody leads, or it is not known who
	Servers []string // all that are alive
}

// maxPeers is how many servers hosts are told of: what is behind them is one Postgres.
const maxPeers = 32

func (s *Server) where() Where {
	if s.cfg.Where == nil {
		return Where{}
	}
	p := s.cfg.Where()
	p.Servers = slices.Sorted(slices.Values(p.Servers))
	p.Servers = p.Servers[:min(len(p.Servers), maxPeers)]
	return p
}

// misdirected sends a host to whoever leads. Strangers hear nothing of that.
func (s *Server) misdirected(w http.ResponseWriter, r *http.Request) {
	if _, err := s.lateCertificateOf(r); err != nil {
		s.answer(w, r, nil, err)
		return
	}
	p := s.where()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusMisdirectedRequest)
	_ = json.NewEncoder(w).Encode(problem{ID: "misdirected", Message: "This server does not lead the control plane; hosts go to the one that does.",
		Leader: p.Leader, Servers: s.sealedServers(p.Servers)}) // it may have gone
}

// sealedServers is the list of servers as hosts keep it, nil when there is none.
func (s *Server) sealedServers(list []string) []byte {
	if len(list) == 0 {
		return nil
	}
	s.listMu.Lock()
	defer s.listMu.Unlock()
	if !slices.Equal(list, s.list) {
		sealed, err := sealServers(s.auth.sign, list)
		if err != nil {
			s.log.Error("sign the list of servers; hosts keep the one they have", "err", err)
			return nil
		}
		s.list, s.sealedList = list, sealed
	}
	return s.sealedList
}

// serverList is that of all servers, as it is signed.
type serverList struct {
	listMu     sync.Mutex
	list       []string
	sealedList []byte // list, signed
}
