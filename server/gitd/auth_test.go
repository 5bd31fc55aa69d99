package gitd

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

func TestUnknownKey(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	b.newKey("stranger", "")
	cmd := b.command(dir, "push", "paas", "main")
	cmd.Env = append(cmd.Env, "GIT_SSH_COMMAND=ssh "+strings.Join(b.sshArgs("stranger"), " "))
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("pushed")
	}
	wantIn(t, string(out), "Permission denied (publickey)")

	b.platform.set(func(p *platform) { p.lookup = errors.New("no database") })
	out, err = b.command(dir, "push", "paas", "main").CombinedOutput()
	if err == nil {
		t.Fatal("pushed")
	}
	wantIn(t, string(out), "the keys cannot be looked up at the moment", "Permission denied")
	wantIn(t, b.logs.String(), "no database")
}

func TestGreetingAndLogin(t *testing.T) {
	b := newBench(t)
	out, err := exec.Command("ssh", append(b.sshArgs("dev"), "paas@127.0.0.1")...).Output()
	if err != nil || !strings.HasPrefix(string(out), "Hi dev@example.com! Your key works; this server gives no shell. Deploy with: git push paas main\n") || !strings.Contains(string(out), "ssh … help\n") {
		t.Errorf("%q, %v", out, err)
	}
	out, err = exec.Command("ssh", append(b.sshArgs("dev"), "paas@127.0.0.1", "login")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var token map[string]string
	if err := json.Unmarshal(out, &token); err != nil || token["token"] != "t-dev" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestKeyConfusion offers the victim's public key, hears that it would do, and
// signs with the attacker's own.
func TestKeyConfusion(t *testing.T) {
	b := newBench(t)
	victim := b.newKey("victim", "victim")
	b.newKey("attacker", "attacker")
	line := string(gossh.MarshalAuthorizedKey(victim.PublicKey()))
	b.write("stolen.pub", line) // stock ssh offers it and finds no private key
	args := append([]string{"-v", "-o", "IdentityFile=" + filepath.Join(b.dir, "stolen")}, b.sshArgs("attacker")...)
	out, err := exec.Command("ssh", append(args, "paas@127.0.0.1")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wantIn(t, string(out), "Server accepts key: "+filepath.Join(b.dir, "stolen"), "Hi attacker@example.com!")
	out, err = exec.Command("ssh", append(args, "paas@127.0.0.1", "git-upload-pack 'secret'")...).CombinedOutput()
	if err == nil {
		t.Error("the attacker reached the victim's app")
	}
	wantIn(t, string(out), "There is no app")

	// Claiming the key and signing with another gets nobody in.
	c, err := gossh.Dial("tcp", b.server.Addr().String(), &gossh.ClientConfig{
		User: "paas", Auth: []gossh.AuthMethod{gossh.PublicKeys(&forger{victim})}, HostKeyCallback: gossh.InsecureIgnoreHostKey()})
	if err == nil {
		c.Close()
		t.Error("a forged signature got in")
	}
}

// forger names a public key and signs with something else.
type forger struct{ gossh.Signer }

func (o *forger) Sign(r io.Reader, data []byte) (*gossh.Signature, error) {
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	s, err := gossh.NewSignerFromKey(other)
	if err != nil {
		return nil, err
	}
	return s.Sign(r, data)
}

func runRemote(t *testing.T, c *gossh.Client, line string) string {
	t.Helper()
	sess, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer sess.Close()
	var buf syncBuffer
	sess.Stdout, sess.Stderr = &buf, &buf
	if line == "" {
		err = sess.Shell()
	} else {
		err = sess.Start(line)
	}
	if err != nil {
		t.Fatal(err)
	}
	sess.Wait() //nolint:errcheck // the text is judged
	return buf.String()
}

func TestRemovedKeyStopsWorking(t *testing.T) {
	b := newBench(t)
	signer := b.newKey("k", "temp")
	c := b.dial(signer)
	wantIn(t, runRemote(t, c, ""), "Hi temp@")
	line := strings.TrimSpace(string(gossh.MarshalAuthorizedKey(signer.PublicKey())))
	b.platform.set(func(p *platform) { delete(p.owners, line) })
	p := &proof{key: line, asked: time.Now().Add(-time.Minute)}
	conn := &gossh.ServerConn{Permissions: &gossh.Permissions{ExtraData: map[any]any{provenKey{}: p}}}
	if _, err := b.server.identity(t.Context(), conn); !unknown(err) {
		t.Errorf("a removed key still works: %v", err)
	}
	if _, err := b.server.identity(t.Context(), &gossh.ServerConn{}); err == nil {
		t.Error("a connection without a proven key has an identity")
	}
}

func TestRefusedRequests(t *testing.T) {
	b := newBench(t)
	c := b.dial(b.newKey("k", "dev"))
	for _, kind := range []string{"direct-tcpip", "x11", "forwarded-tcpip", "auth-agent@openssh.com"} {
		if ch, _, err := c.OpenChannel(kind, nil); err == nil {
			ch.Close()
			t.Errorf("a channel %s was opened", kind)
		}
	}
	for _, kind := range []string{"tcpip-forward", "streamlocal-forward@openssh.com"} {
		if ok, _, err := c.SendRequest(kind, true, nil); ok || err != nil {
			t.Errorf("request %s: %v, %v", kind, ok, err)
		}
	}
	sess, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer sess.Close()
	if err := sess.Setenv("LD_PRELOAD", "x"); err == nil {
		t.Error("env was taken")
	}
	if err := sess.RequestSubsystem("sftp"); err == nil {
		t.Error("a subsystem was given")
	}
	if ok, err := sess.SendRequest("auth-agent-req@openssh.com", true, nil); ok || err != nil {
		t.Errorf("agent forwarding: %v, %v", ok, err)
	}
}

func TestOtherAuthIsRefused(t *testing.T) {
	b := newBench(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b.own(signer.PublicKey(), "rsa")
	old, err := gossh.NewSignerWithAlgorithms(signer.(gossh.AlgorithmSigner), []string{gossh.KeyAlgoRSA}) //nolint:staticcheck // on purpose
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		auth gossh.AuthMethod
		ok   bool
	}{
		"password":    {gossh.Password("x"), false},
		"interactive": {gossh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil }), false},
		"rsa sha1":    {gossh.PublicKeys(old), false},
		"rsa sha2":    {gossh.PublicKeys(signer), true},
	} {
		client, err := gossh.Dial("tcp", b.server.Addr().String(), &gossh.ClientConfig{
			User: "paas", Auth: []gossh.AuthMethod{c.auth}, HostKeyCallback: gossh.InsecureIgnoreHostKey()})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			client.Close()
		}
	}
	tooMany := ""
	var tries []gossh.Signer
	for range 3 {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s, err := gossh.NewSignerFromKey(k)
		if err != nil {
			t.Fatal(err)
		}
		tries = append(tries, s)
	}
	tries = append(tries, signer)
	if client, err := gossh.Dial("tcp", b.server.Addr().String(), &gossh.ClientConfig{
		User: "paas", Auth: []gossh.AuthMethod{gossh.PublicKeys(tries...)}, HostKeyCallback: gossh.InsecureIgnoreHostKey(),
		BannerCallback: func(text string) error { tooMany += text; return nil }}); err == nil {
		client.Close()
		t.Error("a fourth key was tried")
	}
	wantIn(t, tooMany, "none of the first 3 keys offered is known here")
}

func TestHandshakeStall(t *testing.T) {
	b := newBench(t, func(c *Config) { c.HandshakeTimeout = 300 * time.Millisecond; c.MaxPending = 3 })
	var stalled []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", b.server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Read(make([]byte, 4)); err != nil { // the server's greeting
			t.Fatal(err)
		}
		stalled = append(stalled, c)
	}
	over, err := net.Dial("tcp", b.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer over.Close()
	over.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := over.Read(make([]byte, 4)); err == nil {
		t.Errorf("a fourth connection got %d bytes", n)
	}
	for _, c := range stalled {
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a stalled handshake was not cut off")
		}
	}
	b.eventually("the places are free again", func() bool {
		b.server.gate.mu.Lock()
		defer b.server.gate.mu.Unlock()
		return len(b.server.gate.pending) == 0 && len(b.server.gate.conns) == 0
	})
	// The deadline is lifted once the key is proven.
	c := b.dial(b.newKey("k", "dev"))
	release := time.After(2 * b.server.cfg.HandshakeTimeout)
	<-release
	wantIn(t, runRemote(t, c, ""), "Hi dev@")
}

func TestIdleConnectionIsClosed(t *testing.T) {
	b := newBench(t, func(c *Config) { c.IdleTimeout = 100 * time.Millisecond })
	c := b.dial(b.newKey("k", "dev"))
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		t.Error("an idle connection stays")
	}
}

func TestHostKey(t *testing.T) {
	if _, err := hostKey(hostKeyOf(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := hostKey([]byte("junk")); err == nil {
		t.Error("a damaged key was taken")
	}
}

func hostKeyOf(t *testing.T) []byte {
	t.Helper()
	text, err := NewHostKey()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
