package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Clock says how far this machine's clock is ahead of the control plane's, to
// about a second. Whom it asks it knows by the fingerprint of its root: whether
// certificates are good yet is what the clock is asked for.
func Clock(ctx context.Context, server, ca string) (ahead time.Duration, err error) {
	t := newTransport(&tls.Config{MinVersion: tls.VersionTLS13, ServerName: controlName,
		InsecureSkipVerify: true, VerifyConnection: func(c tls.ConnectionState) error { return verifyTimeless(c, ca) }})
	defer t.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+server+"/v1/clock", nil)
	if err != nil {
		return 0, err
	}
	asked := time.Now()
	answer, err := t.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	_ = answer.Body.Close() // nothing is in it
	theirs, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return 0, errors.New("the control plane tells no time")
	}
	middle := asked.Add(time.Since(asked) / 2)
	return middle.Sub(theirs.Add(time.Second / 2)), nil // the second has begun a half ago, as a rule
}

// verifyTimeless is verify at the time when the other end's certificate was made.
func verifyTimeless(c tls.ConnectionState, ca string) error {
	leaf := c.PeerCertificates[0]
	for _, root := range c.PeerCertificates[1:] {
		if fingerprint(root) != ca {
			continue
		}
		pool := x509.NewCertPool()
		pool.AddCert(root)
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: controlName, Roots: pool, CurrentTime: leaf.NotBefore.Add(skew)}); err != nil {
			return fmt.Errorf("the control plane's certificate: %w", err)
		}
		return nil
	}
	return ErrImpostor
}

// clock answers anybody; what it says is in every answer's header.
func (s *Server) clock(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
