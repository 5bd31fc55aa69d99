package fleet

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"paas/server"
)

// Machine is what an agent says of where it runs.
type Machine struct {
	Arch             string // "amd64"
	MilliCPU, Memory int64  // for instances; memory in bytes
	Addr             netip.Addr
	Agent, Engine    string // versions
	Boot             string // changes with each start of the machine; may be empty
	Findings         []server.Finding
}

func (m Machine) request() joinRequest {
	return joinRequest{Arch: m.Arch, MilliCPU: m.MilliCPU, Memory: m.Memory, Addr: m.Addr.String(), Agent: m.Agent, Engine: m.Engine,
		Boot: m.Boot, Findings: m.Findings}
}

// Joining is what a join command says.
type Joining struct {
	Dir    string // data directory
	Server string // host:port of the control plane
	Token  string
	CA     string // fingerprint of its root certificate, hex
	Found  bool   // the machine's address was not given
	// Cluster is what paas standalone's on this machine's engine is named by, when
	// the machine is to be the host that it was; else empty.
	Cluster string
}

// Member asks the control plane whether this machine is a host of it still; a
// Refusal of status 403 says that it is not.
func Member(ctx context.Context, id Identity, m Machine) error {
	ctx, cancel := context.WithTimeout(ctx, joinLimit)
	defer cancel()
	config, err := id.tlsConfig(func() Identity { return id })
	if err != nil {
		return err
	}
	t := newTransport(config)
	defer t.CloseIdleConnections()
	return post(ctx, t, "https://"+id.Server+"/v1/announce", m.request(), &done{})
}

// Rejoin forgets who this machine was, so that it can join anew. What runs on
// its engine stays its own.
func Rejoin(id Identity, dir string) error {
	return Identity{Cluster: id.Cluster, Password: id.Password}.write(dir)
}

const joinLimit = 20 * time.Second

// Join makes this machine a host. It may be said again.
func Join(ctx context.Context, j Joining, m Machine) (Identity, error) {
	id, err := prepared(j.Dir, j.Server, j.CA)
	if err != nil {
		return id, fmt.Errorf("prepare this host's key: %w", err)
	}
	q := m.request()
	q.Token = j.Token
	if j.Cluster != "" {
		q.Former, id.Cluster = true, j.Cluster
	}
	if q.CSR, err = id.csr(); err != nil {
		return id, err
	}
	if err := id.enroll(ctx, j, "/v1/join", q); err != nil {
		return id, err
	}
	id.Addr, id.Found = m.Addr, j.Found
	return id, id.write(j.Dir)
}

// enroll sends a request to join and makes the identity what the answer says.
func (id *Identity) enroll(ctx context.Context, j Joining, path string, q joinRequest) error {
	ctx, cancel := context.WithTimeout(ctx, joinLimit)
	defer cancel()
	t := newTransport(&tls.Config{MinVersion: tls.VersionTLS13, ServerName: controlName,
		// The root is not known yet, only its fingerprint: verify looks at both.
		InsecureSkipVerify: true, VerifyConnection: func(c tls.ConnectionState) (err error) {
			id.Root, err = verify(c, j.CA)
			return err
		}})
	defer t.CloseIdleConnections()
	var reply joinReply
	if err := post(ctx, t, "https://"+j.Server+path, q, &reply); err != nil {
		return err
	}
	id.Host, id.Name, id.SignKey, id.Certificate, id.Edge = reply.Host, reply.Name, reply.SignKey, reply.Certificate, reply.Edge
	return servers{Sealed: reply.Servers}.write(j.Dir)
}

// ErrImpostor is what an address answers that is not the control plane which
// the join command is of.
var ErrImpostor = errors.New("the server at that address is not the control plane that the command is of: its fingerprint is another")

// verify checks that the other end has a certificate by the root of that
// fingerprint, which it sends along.
func verify(c tls.ConnectionState, ca string) ([]byte, error) {
	for _, root := range c.PeerCertificates[1:] {
		if fingerprint(root) != ca {
			continue
		}
		pool := x509.NewCertPool()
		pool.AddCert(root)
		_, err := c.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: controlName, Roots: pool})
		return root.Raw, err
	}
	return nil, ErrImpostor
}

// dialLimit is short: after a network was away the next try is what gets
// through, not the repetition of the last.
const dialLimit = 2 * time.Second

func newTransport(c *tls.Config) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	return &http.Transport{TLSClientConfig: c.Clone(), Protocols: protocols, DisableCompression: true,
		DialContext:         (&net.Dialer{Timeout: dialLimit, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second, IdleConnTimeout: 90 * time.Second,
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingLimit}}
}

// Refusal is a request that the control plane has understood and refused.
type Refusal struct {
	Status  int    // of HTTP
	ID      string // "forbidden"
	Message string
	Leader  string // of one that does not lead: who does, if it is known
	Servers []byte // and the signed list of all
}

func (r *Refusal) Error() string { return r.Message }

// post sends q and reads the answer into reply.
func post(ctx context.Context, t http.RoundTripper, url string, q, reply any) error {
	text, err := json.Marshal(q)
	if err != nil {
		return err
	}
	return do(ctx, t, http.MethodPost, url, text, reply)
}

func do(ctx context.Context, t http.RoundTripper, method, url string, text []byte, reply any) error {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	answer, err := t.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return fmt.Errorf("read the control plane's answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return refusal(answer.StatusCode, body)
	}
	return json.Unmarshal(body, reply)
}

func refusal(status int, body []byte) error {
	var p problem
	if json.Unmarshal(body, &p) != nil || p.Message == "" {
		p.Message = fmt.Sprintf("the control plane answered %d", status)
	}
	return &Refusal{Status: status, ID: p.ID, Message: p.Message, Leader: p.Leader, Servers: p.Servers}
}
