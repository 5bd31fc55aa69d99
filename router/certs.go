package router

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certCheck is how often, at most, a handshake looks whether the files changed.
const certCheck = time.Second

// certFile is a certificate that follows its files, so that a renewed one is
// served without a restart. While the files are unreadable or do not match
// each other (half-way through a renewal) the old one stays.
type certFile struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	stamp   [2]fileStamp
	checked time.Time
}

type fileStamp struct {
	modified time.Time
	size     int64
}

func loadCert(cert, key string, log *slog.Logger) (*certFile, error) {
	c := &certFile{cert: cert, key: key, log: log}
	stamp, err := c.stat()
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s: %w", cert, err)
	}
	c.current, c.stamp, c.checked = &pair, stamp, time.Now()
	return c, nil
}

func (c *certFile) stat() (stamp [2]fileStamp, err error) {
	for i, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			return stamp, err
		}
		stamp[i] = fileStamp{info.ModTime(), info.Size()}
	}
	return stamp, nil
}

// get serves tls.Config.GetCertificate.
func (c *certFile) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < certCheck {
		return c.current, nil
	}
	c.checked = time.Now()
	stamp, err := c.stat()
	if err != nil || stamp == c.stamp {
		return c.current, nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		c.log.Warn("new certificate does not load; serving the old one", "file", c.cert, "err", err)
		return c.current, nil
	}
	c.log.Info("certificate reloaded", "file", c.cert)
	c.current, c.stamp = &pair, stamp
	return c.current, nil
}

// covers says whether the certificate served now is valid for host.
func (c *certFile) covers(host string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.Leaf != nil && c.current.Leaf.VerifyHostname(host) == nil
}

func (c *certFile) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: c.get,
	}
}
