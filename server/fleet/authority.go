package fleet

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"
)

const (
	// controlName is the name in the control plane's certificate. Agents ask
	// for it whatever address they dial, so an address may change.
	controlName = "control.paas.internal"

	rootLife = 10 * 365 * 24 * time.Hour
	leafLife = 24 * time.Hour
	// skew is how far a host's clock may be behind: an hour, as when a time zone
	// is mistaken for another, and what else it is off by.
	skew = 2 * time.Hour
	// lateRenewal is how long after its certificate ended an agent may still
	// have a new one, as long as its key is known: it was cut off meanwhile.
	lateRenewal = 30 * 24 * time.Hour
)

// Authority vouches for the control plane towards its hosts and for hosts
// towards the control plane, and signs the sets that hosts run.
type Authority struct {
	root    *x509.Certificate
	rootKey *ecdsa.PrivateKey
	sign    ed25519.PrivateKey

	mu   sync.Mutex
	leaf *tls.Certificate // the control plane's own, made anew at half its life
}

// OpenAuthority reads an authority as NewAuthority made it.
func OpenAuthority(text []byte) (*Authority, error) {
	a, err := parseAuthority(text)
	if err != nil {
		return nil, fmt.Errorf("the hosts' certificate authority is damaged: %w; restore the database from your backup", err)
	}
	return a, nil
}

// CheckAuthority says what is wrong with an authority in PEM.
func CheckAuthority(text []byte) error {
	_, err := parseAuthority(text)
	return err
}

// NewAuthority makes one, in PEM. Who can read that can pose as control plane.
func NewAuthority() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: serialNumber(), Subject: pkix.Name{CommonName: "paas hosts"},
		NotBefore: time.Now().Add(-skew), NotAfter: time.Now().Add(rootLife), KeyUsage: x509.KeyUsageCertSign,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	_, sign, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der})
	for _, k := range []any{key, sign} {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			return nil, err
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der})...)
	}
	return text, nil
}

const (
	pemCertificate = "CERTIFICATE"
	pemKey         = "PRIVATE KEY"
)

func parseAuthority(text []byte) (*Authority, error) {
	a := &Authority{}
	for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
		var err error
		if b.Type == pemCertificate {
			a.root, err = x509.ParseCertificate(b.Bytes)
		} else {
			err = a.takeKey(b.Bytes)
		}
		if err != nil {
			return nil, err
		}
	}
	if a.root == nil || a.rootKey == nil || a.sign == nil {
		return nil, errors.New("it must hold a certificate and two keys")
	}
	return a, nil
}

func (a *Authority) takeKey(der []byte) error {
	key, err := x509.ParsePKCS8PrivateKey(der)
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		a.rootKey = k
	case ed25519.PrivateKey:
		a.sign = k
	}
	return err
}

// Fingerprint is the SHA-256 of the root certificate in hex: what a join
// command carries, so that a new host knows whom it speaks to.
func (a *Authority) Fingerprint() string { return fingerprint(a.root) }

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func (a *Authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.root)
	return p
}

// certificate is the control plane's own, with the root behind it: one that
// joins knows the root by its fingerprint only.
func (a *Authority) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leaf != nil && time.Until(a.leaf.Leaf.NotAfter) > leafLife/2 {
		return a.leaf, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: controlName}, DNSNames: []string{controlName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, &key.PublicKey, leafLife)
	if err != nil {
		return nil, err
	}
	a.leaf = &tls.Certificate{Certificate: [][]byte{leaf.Raw, a.root.Raw}, PrivateKey: key, Leaf: leaf}
	return a.leaf, nil
}

// member makes a certificate for the key of a host or router. It opens what is
// theirs in that role, and cannot pose as the control plane.
func (a *Authority) member(r role, id string, key *ecdsa.PublicKey, life time.Duration) (*x509.Certificate, error) {
	return a.issue(&x509.Certificate{Subject: r.subject(id),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, key, life)
}

func (a *Authority) issue(t *x509.Certificate, key *ecdsa.PublicKey, life time.Duration) (*x509.Certificate, error) {
	t.SerialNumber, t.KeyUsage = serialNumber(), x509.KeyUsageDigitalSignature
	t.NotBefore, t.NotAfter = time.Now().Add(-skew), time.Now().Add(life)
	der, err := x509.CreateCertificate(rand.Reader, t, a.root, key, a.rootKey)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate for %s: %w", t.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

func serialNumber() *big.Int {
	b := make([]byte, 16)
	rand.Read(b)
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}

// keyHash is by which the store knows a host's key.
func keyHash(spki []byte) []byte {
	sum := sha256.Sum256(spki)
	return sum[:]
}
