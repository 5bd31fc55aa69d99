package router

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// writeCert makes a self-signed certificate and gives the pool that trusts it.
func writeCert(t *testing.T, dir, serial string, names ...string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := new(big.Int).SetString(serial, 10)
	tmpl := &x509.Certificate{
		SerialNumber: n, Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

func newTLSRig(t *testing.T, cfg Config) (g *rig, dir string, roots *x509.CertPool) {
	t.Helper()
	dir = t.TempDir()
	roots = writeCert(t, dir, "1", "app.test", "*.apps.test")
	cfg.HTTPSAddr, cfg.CertFile, cfg.KeyFile = "127.0.0.1:0", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	return newRig(t, cfg), dir, roots
}

// tlsClient dials the router whatever the URL says.
func (g *rig) tlsClient(t *testing.T, roots *x509.CertPool, h2 bool) *http.Client {
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: h2,
		DialContext: (&rerouted{g.TLSAddr().String()}).dial,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func fetch(t *testing.T, c *http.Client, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func tlsRequest(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestHTTPSSpeaksBothVersions(t *testing.T) {
	g, _, roots := newTLSRig(t, Config{})
	app, _ := newApp(t, echoHead)
	g.serve(t, 1, appRoute(app))
	for _, h2 := range []bool{true, false} {
		client := g.tlsClient(t, roots, h2)
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				body := strings.Repeat(fmt.Sprint(i), 5000)
				resp, text := fetch(t, client, tlsRequest(t, http.MethodPost, "https://app.test/x", body))
				s := parseSeen(t, text)
				if resp.StatusCode != 200 || s.Body != body || resp.ProtoMajor == 2 != h2 {
					t.Errorf("h2 %v: status %d, proto %s", h2, resp.StatusCode, resp.Proto)
				}
				if s.Header.Get("X-Forwarded-Proto") != "https" || s.Header.Get("X-Forwarded-Port") != "443" {
					t.Errorf("h2 %v: app saw %v", h2, s.Header)
				}
			})
		}
		wg.Wait()
	}
	g.lines.await(t, "protocol=https", "host=app.test")
}

func TestHTTP2TruncatedAnswerResetsTheStream(t *testing.T) {
	g, _, roots := newTLSRig(t, Config{})
	app := newRawApp(t, func(c net.Conn) {
		_, _ = readHead(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	})
	g.serve(t, 1, appRoute(app))
	resp, err := g.tlsClient(t, roots, true).Do(tlsRequest(t, http.MethodGet, "https://app.test/", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("a clean end after %q", body)
	}
	g.lines.await(t, "code=H18", "protocol=https")
}

func TestHTTP2IdleStreamsEnd(t *testing.T) {
	g, _, roots := newTLSRig(t, Config{Limits: short()})
	app, _ := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/up" {
			_, _ = io.Copy(io.Discard, r.Body)
			return
		}
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	g.serve(t, 1, appRoute(app))
	client := g.tlsClient(t, roots, true)
	resp, err := client.Do(tlsRequest(t, http.MethodGet, "https://app.test/down", ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("a clean end of an idle answer")
	}
	_ = resp.Body.Close()
	g.lines.await(t, "code=H15", `path="/down"`)

	pr, pw := io.Pipe()
	defer func() { _ = pw.Close() }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://app.test/up", pr)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err = client.Do(req); err == nil {
		_ = resp.Body.Close()
	}
	g.lines.await(t, "code=H28", `path="/up"`)
}

func TestMisdirectedRequest(t *testing.T) {
	g, _, roots := newTLSRig(t, Config{})
	app, _ := newApp(t, echoHead)
	g.serve(t, 1, appRoute(app), Route{Host: "b.apps.test", AppID: "b", App: "b", Targets: []Target{app}},
		Route{Host: "foreign.test", AppID: "f", App: "f", Targets: []Target{app}})
	for host, want := range map[string]int{"app.test": 200, "b.apps.test": 200, "foreign.test": 421} {
		req := tlsRequest(t, http.MethodGet, "https://app.test/", "")
		req.Host = host
		if resp, _ := fetch(t, g.tlsClient(t, roots, true), req); resp.StatusCode != want {
			t.Errorf("%s over a connection for app.test: %d, want %d", host, resp.StatusCode, want)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	g, _, roots := newTLSRig(t, Config{})
	c, err := tls.Dial("tcp", g.TLSAddr().String(), &tls.Config{RootCAs: roots, ServerName: "app.test", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err == nil {
		_ = c.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

func TestRenewedCertificateIsServedWithoutARestart(t *testing.T) {
	g, dir, _ := newTLSRig(t, Config{})
	// Half-way: the certificate is new, its key is not yet there.
	key, err := os.ReadFile(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	writeCert(t, dir, "2", "app.test")
	newKey, err := os.ReadFile(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	restore := func(b []byte) {
		if err := os.WriteFile(filepath.Join(dir, "key.pem"), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	restore(key)
	g.certs.mu.Lock()
	g.certs.checked = time.Time{} // look now
	g.certs.mu.Unlock()
	if got := g.serial(t); got != "1" {
		t.Errorf("certificate %s served while the files do not match", got)
	}
	restore(append(newKey, '\n'))
	deadline := time.Now().Add(patience)
	for g.serial(t) != "2" {
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not served")
		}
	}
}

func (g *rig) serial(t *testing.T) string {
	t.Helper()
	c, err := tls.Dial("tcp", g.TLSAddr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: "app.test"}) //nolint:gosec // only looked at
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}
