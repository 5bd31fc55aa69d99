package gitd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"

	"paas/server"
)

const (
	lookupTimeout = 5 * time.Second  // for one question to the Pusher
	identityAge   = 10 * time.Second // after which a connection's key is asked about again
)

// provenKey names what the handshake leaves in Permissions.
type provenKey struct{}

// proof is who a key belongs to. A new one is made for every key a client
// offers; x/crypto hands over that of the key the client signed with.
type proof struct {
	by          Identity
	key         string // authorized_keys form
	fingerprint string
	asked       time.Time
}

// sshConfig is the configuration of one connection: modern algorithms, public
// keys only.
func (s *Server) sshConfig(ctx ssh.Context) *gossh.ServerConfig {
	c := &gossh.ServerConfig{
		MaxAuthTries: s.cfg.AuthTries,
		PublicKeyAuthAlgorithms: []string{
			gossh.KeyAlgoED25519, gossh.KeyAlgoSKED25519, gossh.KeyAlgoSKECDSA256,
			gossh.KeyAlgoECDSA256, gossh.KeyAlgoECDSA384, gossh.KeyAlgoECDSA521,
			gossh.KeyAlgoRSASHA256, gossh.KeyAlgoRSASHA512,
		},
		PreAuthConnCallback: func(c gossh.ServerPreAuthConn) { ctx.SetValue(preAuthConn{}, c) },
		VerifiedPublicKeyCallback: func(_ gossh.ConnMetadata, key gossh.PublicKey, p *gossh.Permissions, _ string) (*gossh.Permissions, error) {
			return p, s.verified(ctx, key, p)
		},
	}
	c.KeyExchanges = []string{gossh.KeyExchangeMLKEM768X25519, gossh.KeyExchangeCurve25519}
	c.Ciphers = []string{gossh.CipherChaCha20Poly1305, gossh.CipherAES256GCM, gossh.CipherAES128GCM}
	c.MACs = []string{gossh.HMACSHA256ETM, gossh.HMACSHA512ETM}
	return c
}

type (
	preAuthConn struct{} // key of the connection before its handshake ended
	guardKey    struct{} // key of the guardConn
)

// offered is asked about every key a client names, before it proves anything.
// The answer for this key goes into Permissions of its own: the library's
// shared ones would carry the last key named, whoever signs in the end.
func (s *Server) offered(ctx ssh.Context, key ssh.PublicKey) bool {
	ctx.Permissions().Permissions = &gossh.Permissions{}
	if _, isCert := key.(*gossh.Certificate); isCert {
		return false
	}
	p, err := s.lookup(ctx, key)
	if err == nil {
		ctx.Permissions().Permissions = &gossh.Permissions{ExtraData: map[any]any{provenKey{}: p}}
		return true
	}
	s.refused(ctx, err)
	return false
}

// refused tells the client what its own "Permission denied" does not. A single
// unknown key gets no text: clients with several keys would see it each time.
func (s *Server) refused(ctx ssh.Context, err error) {
	var text string
	guard, ok := ctx.Value(guardKey{}).(*guardConn)
	switch {
	case !unknown(err):
		s.log.Error("look up a key", "err", err)
		text = "paas: the keys cannot be looked up at the moment; try again shortly"
	case ok && guard.refuse() >= s.cfg.AuthTries:
		text = fmt.Sprintf("paas: none of the first %d keys offered is known here; name the right one with ssh -o IdentitiesOnly=yes -i KEY, or add one with paas keys:add", s.cfg.AuthTries)
	default:
		return
	}
	if c, ok := ctx.Value(preAuthConn{}).(gossh.ServerPreAuthConn); ok {
		c.SendAuthBanner(text + "\r\n") //nolint:errcheck // the refusal follows anyway
	}
}

func unknown(err error) bool {
	return server.IsID(err, server.ErrNotFound) || server.IsID(err, server.ErrUnauthorized) || server.IsID(err, server.ErrForbidden)
}

func (s *Server) lookup(ctx context.Context, key gossh.PublicKey) (*proof, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	p := &proof{
		key:         strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key))),
		fingerprint: gossh.FingerprintSHA256(key),
		asked:       time.Now(),
	}
	var err error
	p.by, err = s.pusher.KeyOwner(ctx, p.key)
	if err == nil && p.by.AccountID == "" {
		err = server.Errorf(server.ErrNotFound, "the key belongs to nobody")
	}
	p.by.Fingerprint = p.fingerprint
	return p, err
}

// verified is called when the client has signed with key.
func (s *Server) verified(ctx ssh.Context, key gossh.PublicKey, perms *gossh.Permissions) error {
	p, ok := perms.ExtraData[provenKey{}].(*proof)
	if !ok || p.fingerprint != gossh.FingerprintSHA256(key) {
		return errors.New("the key that signed is not the key that was asked about")
	}
	guard, ok := ctx.Value(guardKey{}).(*guardConn)
	if !ok {
		return errors.New("connection without a guard")
	}
	return guard.proven()
}

// identity is who a connection is now. A key that was removed since stops
// working even on a connection that is held open.
func (s *Server) identity(ctx context.Context, conn *gossh.ServerConn) (Identity, error) {
	if conn.Permissions == nil {
		return Identity{}, errors.New("connection without a proven key")
	}
	p, ok := conn.Permissions.ExtraData[provenKey{}].(*proof)
	if !ok {
		return Identity{}, errors.New("connection without a proven key")
	}
	if time.Since(p.asked) < identityAge {
		by := p.by
		by.From = addressOf(conn)
		return by, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	by, err := s.pusher.KeyOwner(ctx, p.key)
	if err != nil {
		return Identity{}, fmt.Errorf("look up the key again: %w", err)
	}
	by.Fingerprint, by.From = p.fingerprint, addressOf(conn)
	return by, nil
}

// addressOf is where a connection comes from, without port.
func addressOf(conn *gossh.ServerConn) string {
	if host, _, err := net.SplitHostPort(conn.RemoteAddr().String()); err == nil {
		return host
	}
	return conn.RemoteAddr().String()
}
