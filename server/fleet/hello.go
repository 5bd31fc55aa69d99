package fleet

import (
	"context"
	"crypto/x509"
	"net/http"
	"time"
)

// Hello is what the control plane says to a host or router that it knows.
type Hello struct {
	Leads bool `json:"leads"` // that server does
	// Newest is the version of the newest routing table, 0 where it is not known:
	// by a server that does not lead.
	Newest int64 `json:"newest,omitempty"`
}

func (s *Server) hello(w http.ResponseWriter, r *http.Request) {
	leaf, err := s.certificateOf(r, time.Now())
	if err == nil {
		_, err = s.ownerOf(r.Context(), leaf)
	}
	reply := Hello{Leads: s.leading() != nil}
	if reply.Leads && s.cfg.Newest != nil {
		reply.Newest = s.cfg.Newest()
	}
	s.answer(w, r, reply, err)
}

// Greet asks the control plane whether this machine is a host or router of it
// still; a Refusal of status 403 says that it is not. Nothing is changed.
func Greet(ctx context.Context, id Identity) (Hello, error) {
	ctx, cancel := context.WithTimeout(ctx, joinLimit)
	defer cancel()
	var reply Hello
	config, err := id.tlsConfig(func() Identity { return id })
	if err != nil {
		return reply, err
	}
	t := newTransport(config)
	defer t.CloseIdleConnections()
	err = do(ctx, t, http.MethodGet, "https://"+id.Server+"/v1/hello", nil, &reply)
	return reply, err
}

// Life is from when until when the certificate is good; false when there is none.
func (id Identity) Life() (from, until time.Time, ok bool) {
	cert, err := x509.ParseCertificate(id.Certificate)
	if err != nil {
		return from, until, false
	}
	return cert.NotBefore, cert.NotAfter, true
}
