package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"paas/server/durable"
)

// Identity is who a host is and whom it belongs to. It is one file, so that it
// changes as a whole.
type Identity struct {
	Server  string `json:"server"`  // host:port of the control plane
	CA      string `json:"ca"`      // SHA-256 of its root certificate, hex
	Key     []byte `json:"key"`     // PKCS #8
	Cluster string `json:"cluster"` // names what is this agent's on its engine

	// Below: empty before it joined.
	Host        string `json:"host,omitempty"` // id
	Name        string `json:"name,omitempty"`
	Root        []byte `json:"root,omitempty"`        // DER
	Certificate []byte `json:"certificate,omitempty"` // DER
	SignKey     []byte `json:"sign_key,omitempty"`    // Ed25519
	// NextKey and NextCertificate are to take the place of the two: there until
	// it is known which of the two keys the control plane goes by.
	NextKey         []byte `json:"next_key,omitempty"`
	NextCertificate []byte `json:"next_certificate,omitempty"`
	// Addr is where its instances are published: as it was told, or else as it
	// was last found.
	Addr  netip.Addr `json:"addr"`
	Found bool       `json:"found,omitempty"`
	// Password opens the loopback registry, for this machine's engine.
	Password string `json:"password,omitempty"`
	// Edge is what a router knows of the platform, nil for a host.
	Edge *edgeInfo `json:"edge,omitempty"`
}

// identityFile is where an agent keeps it, in its data directory.
func identityFile(dir string) string { return filepath.Join(dir, "identity.json") }

// ReadIdentity gives the identity in dir; fs.ErrNotExist when there is none.
func ReadIdentity(dir string) (Identity, error) {
	var id Identity
	text, err := os.ReadFile(identityFile(dir))
	if err != nil {
		return id, err
	}
	if err := json.Unmarshal(text, &id); err != nil {
		return id, fmt.Errorf("%s is damaged: %w; remove it and join anew", identityFile(dir), err)
	}
	return id, nil
}

// Joined says whether it is complete.
func (id Identity) Joined() bool { return id.Host != "" && len(id.Certificate) > 0 }

func (id Identity) write(dir string) error {
	text, err := json.Marshal(id)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return durable.Write(identityFile(dir), append(text, '\n'))
}

// prepared is the identity to join with: the key that is there already when it
// was made for the same control plane, else a new one, which is kept before it
// is used. A join whose answer was lost is so repeated with the same key.
func prepared(dir, addr, ca string) (Identity, error) {
	id, err := ReadIdentity(dir)
	if err == nil && id.CA == ca && !id.Joined() {
		id.Server = addr
		return id, id.write(dir)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	der, err := newKey()
	if err != nil {
		return id, err
	}
	cluster := make([]byte, 6)
	rand.Read(cluster)
	fresh := Identity{Server: addr, CA: ca, Key: der, Cluster: hex.EncodeToString(cluster), Password: rand.Text()}
	if id.Cluster != "" { // what it runs on its engine stays its own
		fresh.Cluster = id.Cluster
	}
	if id.Password != "" {
		fresh.Password = id.Password // which its engine uses at this moment
	}
	return fresh, fresh.write(dir)
}

func newKey() (pkcs8 []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

// next is who this host is once its next key is the one it goes by.
func (id Identity) next() Identity {
	id.Key, id.Certificate, id.NextKey, id.NextCertificate = id.NextKey, id.NextCertificate, nil, nil
	return id
}

func (id Identity) privateKey() (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(id.Key)
	if err != nil {
		return nil, fmt.Errorf("this host's key: %w", err)
	}
	k, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("this host's key is of a kind that is not used")
	}
	return k, nil
}

// csr asks for a certificate for the key.
func (id Identity) csr() ([]byte, error) {
	key, err := id.privateKey()
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
}

// tlsConfig trusts the control plane that was joined and nobody else, and
// shows the certificate that now gives.
func (id Identity) tlsConfig(now func() Identity) (*tls.Config, error) {
	root, err := x509.ParseCertificate(id.Root)
	if err != nil {
		return nil, fmt.Errorf("the control plane's root certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: controlName,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			id := now()
			key, err := id.privateKey()
			return &tls.Certificate{Certificate: [][]byte{id.Certificate}, PrivateKey: key}, err
		}}, nil
}
