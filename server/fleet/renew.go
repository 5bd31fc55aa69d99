package fleet

import (
	"context"
	"crypto/x509"
	"time"
)

// renewals keep the certificate good.
func (c *Client) renewals(ctx context.Context) {
	for wait := time.Duration(0); ; {
		asked := false // the control plane has refused the one there is
		select {
		case <-time.After(wait):
		case <-c.renewDue:
			asked = true
		case <-ctx.Done():
			return
		}
		due, err := c.renewAt()
		if err == nil && !asked && time.Now().Before(due) {
			wait = min(time.Until(due), time.Hour)
			continue
		}
		if err == nil {
			err = c.renew(ctx)
		}
		wait = time.Minute
		if err != nil && ctx.Err() == nil {
			c.log.Warn("renew this host's certificate; trying on", "err", err)
			wait = 0
			rest(ctx, renewPause) // also when it is asked for again
		}
	}
}

const renewPause = 5 * time.Second

// rest waits for d or the end of ctx.
func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// renewAt is half of the certificate's life.
func (c *Client) renewAt() (time.Time, error) {
	cert, err := x509.ParseCertificate(c.Identity().Certificate)
	if err != nil {
		return time.Time{}, err
	}
	life := cert.NotAfter.Sub(cert.NotBefore) - skew
	return cert.NotAfter.Add(-life / 2), nil
}

func (c *Client) renew(ctx context.Context) error {
	id := c.Identity()
	csr, err := id.csr()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, bodyLimit)
	defer cancel()
	t := newTransport(c.tls)
	defer t.CloseIdleConnections()
	var reply joinReply
	if err := post(limited, t, c.url("/v1/renew"), joinRequest{CSR: csr}, &reply); err != nil {
		c.noted(err)
		return err
	}
	if _, err := x509.ParseCertificate(reply.Certificate); err != nil {
		return err
	}
	id.Certificate = reply.Certificate
	if err := id.write(c.cfg.Dir); err != nil {
		c.log.Warn("keep the new certificate; it is used all the same", "err", err)
	}
	c.mu.Lock()
	c.id = id
	old := c.lines
	c.lines = c.newLines() // the certificate is shown once, when a connection begins
	c.mu.Unlock()
	old.closeIdle()
	c.log.Info("this host's certificate was renewed")
	return nil
}
