package fleet

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// renewals keep the certificate good.
func (c *Client) renewals(ctx context.Context) {
	var renewed time.Time
	for wait := time.Duration(0); ; {
		asked := false // the control plane has refused the one there is
		select {
		case <-time.After(wait):
		case <-c.renewDue:
			asked = time.Since(renewed) > renewPause // else it was refused by the one before
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
		wait, renewed = time.Minute, time.Now()
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

// renewAt is half of the certificate's life, and at once when a renewal was
// not finished.
func (c *Client) renewAt() (time.Time, error) {
	id := c.Identity()
	if len(id.NextKey) > 0 {
		return time.Time{}, nil
	}
	cert, err := x509.ParseCertificate(id.Certificate)
	if err != nil {
		return time.Time{}, err
	}
	life := cert.NotAfter.Sub(cert.NotBefore) - skew
	return cert.NotAfter.Add(-life / 2), nil
}

// renew gets a new certificate, for a new key, and then makes the control
// plane go by that key. Whatever of it gets lost on the way, one of the two
// keys is good, and both are kept until it is known which.
func (c *Client) renew(ctx context.Context) error {
	id := c.Identity()
	if len(id.NextKey) == 0 {
		var err error
		if id, err = c.prepare(ctx, id); err != nil {
			return err
		}
	}
	err := c.rekey(ctx, id, id.next())
	var refused *Refusal
	if errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		err = c.rekey(ctx, id.next(), id.next()) // it may have been told before, and the answer lost
	}
	if err != nil {
		c.noted(err)
		return err
	}
	c.become(id.next())
	c.mu.Lock()
	old := c.lines
	c.lines = c.newLines(old.to) // the certificate is shown once, when a connection begins
	c.lines.left, c.lines.leave = old.left, old.leave
	c.mu.Unlock()
	old.closeIdle()
	c.log.Info("the key and certificate were renewed")
	return nil
}

// become makes the identity this host's, from now on.
func (c *Client) become(id Identity) {
	if err := id.write(c.cfg.Dir); err != nil {
		c.log.Warn("keep this host's new key; it is used all the same", "err", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = id
}

// prepare gets a certificate for a key that is not used yet, and keeps both.
func (c *Client) prepare(ctx context.Context, id Identity) (_ Identity, err error) {
	next := Identity{}
	if next.Key, err = newKey(); err != nil {
		return id, err
	}
	csr, err := next.csr()
	if err != nil {
		return id, err
	}
	var reply joinReply
	if err := c.as(ctx, id, "/v1/renew", joinRequest{CSR: csr}, &reply); err != nil {
		c.noted(err)
		return id, err
	}
	if _, err := x509.ParseCertificate(reply.Certificate); err != nil {
		return id, err
	}
	id.NextKey, id.NextCertificate = next.Key, reply.Certificate
	if err := id.write(c.cfg.Dir); err != nil {
		return id, fmt.Errorf("keep this host's next key: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = id
	return id, nil
}

// rekey makes the control plane go by the key of another identity.
func (c *Client) rekey(ctx context.Context, as, to Identity) error {
	cert, err := x509.ParseCertificate(to.Certificate)
	if err != nil {
		return err
	}
	return c.as(ctx, as, "/v1/rekey", rekeyRequest{Key: keyHash(cert.RawSubjectPublicKeyInfo)}, &done{})
}

// as sends a request by a connection of its own.
func (c *Client) as(ctx context.Context, id Identity, path string, q, reply any) error {
	limited, cancel := context.WithTimeout(ctx, bodyLimit)
	defer cancel()
	config, err := id.tlsConfig(func() Identity { return id })
	if err != nil {
		return err
	}
	t := newTransport(config)
	defer t.CloseIdleConnections()
	return post(limited, t, c.connections().url(path), q, reply)
}
