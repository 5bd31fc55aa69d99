package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"sync"
	"time"

	"paas/server"
)

// askAgain is how long it is believed that a connection's host is one: what is
// removed loses its connections after that.
const (
	askAgain = 5 * time.Second
	askLimit = 500 * time.Millisecond // for the store's answer: beats must not wait for it
	// refuseFor is how long the store is not asked again for one that is no
	// host: one that was removed may come a thousand times a second.
	refuseFor = time.Second
)

type peerKey struct{}

// peer is what is known of who is at the other end of a connection.
type peer struct {
	known func() // tells the listener that it is a host

	mu    sync.Mutex
	host  string
	asked time.Time
	gone  time.Time // it was no host when last asked
}

func withPeer(ctx context.Context, c net.Conn) context.Context {
	p := &peer{known: func() {}}
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if b, ok := c.(*boundedConn); ok {
		p.known = b.known
	}
	return context.WithValue(ctx, peerKey{}, p)
}

var (
	errNoCertificate = &server.Error{ID: server.ErrUnauthorized, Message: "A host shows its certificate here.", Next: "Join first: paas agent join"}
	errExpired       = &server.Error{ID: server.ErrUnauthorized, Message: "The certificate is not of this control plane, or has expired."}
)

// identify gives the host that a request comes from.
func (s *Server) identify(r *http.Request) (string, error) {
	leaf, err := s.certificateOf(r, time.Now())
	if err != nil {
		return "", err
	}
	if roleOf(leaf) != roleHost {
		return "", errOtherRole
	}
	return s.ownerOf(r.Context(), leaf)
}

// ownerOf asks the store whose key it is, a host's or a router's. The answer is
// kept for a while, and while the store is away: it knew the key once.
func (s *Server) ownerOf(ctx context.Context, leaf *x509.Certificate) (string, error) {
	p, ok := ctx.Value(peerKey{}).(*peer)
	if !ok {
		p = &peer{known: func() {}}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.host != "" && time.Since(p.asked) < askAgain {
		return p.host, nil
	}
	if time.Since(p.gone) < refuseFor {
		return "", roleOf(leaf).removed()
	}
	limited, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	host, err := s.registry(leaf).byKey(limited, keyHash(leaf.RawSubjectPublicKeyInfo))
	switch {
	case err == nil && host != leaf.Subject.CommonName, server.IsID(err, server.ErrNotFound):
		p.host, p.gone = "", time.Now()
		return "", roleOf(leaf).removed()
	case err != nil && p.host != "":
		p.asked = time.Now()
		return p.host, nil
	case err != nil:
		return "", err
	}
	p.host, p.asked = host, time.Now()
	p.known()
	return host, nil
}

// certificateOf gives the certificate a request came with, as good at a time.
// That its sender has the key the handshake has shown.
func (s *Server) certificateOf(r *http.Request, at time.Time) (*x509.Certificate, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, errNoCertificate
	}
	leaf := r.TLS.PeerCertificates[0]
	_, err := leaf.Verify(x509.VerifyOptions{Roots: s.auth.pool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return nil, errExpired
	}
	return leaf, nil
}

// lateCertificateOf is certificateOf for one that may have ended not too long
// ago.
func (s *Server) lateCertificateOf(r *http.Request) (*x509.Certificate, error) {
	now := time.Now()
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		if end := r.TLS.PeerCertificates[0].NotAfter; now.After(end) && now.Before(end.Add(lateRenewal)) {
			now = end
		}
	}
	return s.certificateOf(r, now)
}

// keyOf reads a request for a certificate and checks that its sender has the key.
func keyOf(csr []byte) (*ecdsa.PublicKey, []byte, error) {
	c, err := x509.ParseCertificateRequest(csr)
	if err == nil {
		err = c.CheckSignature()
	}
	if err != nil {
		return nil, nil, server.Errorf(server.ErrInvalid, "The certificate request is damaged: %s.", err)
	}
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, nil, server.Errorf(server.ErrInvalid, "The certificate request is for a key of a kind that is not used here.")
	}
	return key, keyHash(c.RawSubjectPublicKeyInfo), nil
}
