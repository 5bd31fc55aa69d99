package fleet

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"paas/server"
)

// join makes a host of somebody with a token.
func (s *Server) join(w http.ResponseWriter, r *http.Request) {
	reply, err := s.admit(w, r)
	s.answer(w, r, reply, err)
}

func (s *Server) admit(w http.ResponseWriter, r *http.Request) (*joinReply, error) {
	if from := whoseLimit(r.RemoteAddr); !s.joins.allow(from, time.Now()) {
		return nil, server.Errorf(server.ErrRate, "Too many tries to join from %s. Nothing was changed; try again in a minute.", from)
	}
	var q joinRequest
	if err := read(w, r, maxJoin, &q); err != nil {
		return nil, err
	}
	if err := q.check(sender(r)); err != nil {
		return nil, err
	}
	key, hash, err := keyOf(q.CSR)
	if err != nil {
		return nil, err
	}
	id, name, err := s.hosts.Join(r.Context(), q.machine(hash))
	if err != nil {
		return nil, err
	}
	cert, err := s.auth.member(roleHost, id, key, s.cfg.CertificateLife)
	if err != nil {
		return nil, err
	}
	return &joinReply{Host: id, Name: name, SignKey: s.auth.sign.Public().(ed25519.PublicKey), Certificate: cert.Raw,
		Servers: s.sealedServers(s.where().Servers)}, nil
}

// announceHost takes what an agent says of its machine when it begins.
func (s *Server) announceHost(w http.ResponseWriter, r *http.Request, host string) {
	leave, err := s.caring(host)
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	defer leave()
	var q joinRequest
	err = read(w, r, maxJoin, &q)
	if err == nil {
		err = q.check(sender(r))
	}
	if err == nil && !s.tells.allow(host, time.Now()) {
		err = server.Errorf(server.ErrRate, "This host has said what it has more than %d times in a minute. Nothing was changed.", tellsPerMinute)
	}
	if err == nil {
		j := q.machine(nil)
		j.From = sender(r)
		err = s.hosts.Announce(r.Context(), host, j)
	}
	s.answer(w, r, done{}, err)
}

func (q joinRequest) machine(key []byte) server.Join {
	return server.Join{Token: q.Token, Arch: q.Arch, MilliCPU: q.MilliCPU, Memory: q.Memory, Addr: q.Addr, Agent: q.Agent, Engine: q.Engine, Key: key,
		Boot: q.Boot, Findings: q.Findings, Former: q.Former, Unexamined: q.Unexamined}
}

// check looks at what only this door knows; all else server.Fleet checks.
func (q joinRequest) check(from netip.Addr) error {
	addr, err := netip.ParseAddr(q.Addr)
	if err != nil {
		return server.Errorf(server.ErrInvalid, "%q is not an address to reach instances at. Nothing was changed; give the machine's private one with --addr.", q.Addr)
	}
	return mayPublishOn(addr.Unmap(), from)
}

// renew gives a host or router a certificate for its next key. With it alone
// nothing can be done: they are known by the key they have until rekey.
func (s *Server) renew(w http.ResponseWriter, r *http.Request) {
	reply, err := s.prolong(w, r)
	s.answer(w, r, reply, err)
}

func (s *Server) prolong(w http.ResponseWriter, r *http.Request) (*joinReply, error) {
	leaf, id, err := s.late(r)
	if err != nil {
		return nil, err
	}
	leave, err := s.caring(id)
	if err != nil {
		return nil, err
	}
	defer leave()
	var q joinRequest
	if err := read(w, r, maxJoin, &q); err != nil {
		return nil, err
	}
	key, _, err := keyOf(q.CSR)
	if err != nil {
		return nil, err
	}
	cert, err := s.auth.member(roleOf(leaf), id, key, s.cfg.CertificateLife)
	if err != nil {
		return nil, err
	}
	return &joinReply{Certificate: cert.Raw}, nil
}

// rekeyRequest is POST /v1/rekey.
type rekeyRequest struct {
	Key []byte `json:"key"` // SHA-256 of the new one's public half
}

// rekey makes the key of a next certificate the one its owner is known by.
func (s *Server) rekey(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, done{}, s.rekeyed(w, r))
}

func (s *Server) rekeyed(w http.ResponseWriter, r *http.Request) error {
	leaf, id, err := s.late(r)
	if err != nil {
		return err
	}
	leave, err := s.caring(id)
	if err != nil {
		return err
	}
	defer leave()
	var q rekeyRequest
	if err := read(w, r, maxJoin, &q); err != nil {
		return err
	}
	if len(q.Key) != sha256.Size {
		return server.Errorf(server.ErrInvalid, "The new key is not told by its SHA-256. Nothing was changed.")
	}
	return s.goBy(r.Context(), leaf, id, q.Key)
}

func (s *Server) goBy(ctx context.Context, leaf *x509.Certificate, id string, key []byte) error {
	old := keyHash(leaf.RawSubjectPublicKeyInfo)
	if bytes.Equal(old, key) {
		return nil // it was told before
	}
	return s.registry(leaf).renewKey(ctx, id, old, key)
}

// late gives whose certificate it is, which may have ended not too long ago.
func (s *Server) late(r *http.Request) (*x509.Certificate, string, error) {
	leaf, err := s.lateCertificateOf(r)
	if err != nil {
		return nil, "", err
	}
	id, err := s.ownerOf(r.Context(), leaf)
	return leaf, id, err
}

// limiter bounds how often an address may try something in a minute.
type limiter struct {
	most int

	mu    sync.Mutex
	began time.Time
	tries map[string]int
}

// limiterRoom bounds its memory: when more addresses come in a minute, the
// others wait for the next.
const limiterRoom = 10000

func newLimiter(most int) *limiter { return &limiter{most: most, tries: map[string]int{}} }

func (l *limiter) allow(from string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.began) > time.Minute {
		l.began = now
		clear(l.tries)
	}
	if l.tries[from] == 0 && len(l.tries) >= limiterRoom {
		return false
	}
	l.tries[from]++
	return l.tries[from] <= l.most
}
