package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"paas/cmd/paas/platformtest"
)

// configCmds are the script commands about config.
func configCmds(p *platform) map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"props":     func(ts *testscript.TestScript, _ bool, _ []string) { cmdProps(ts) },
		"unseen":    func(ts *testscript.TestScript, _ bool, args []string) { cmdUnseen(ts, p, args[0], args[1]) },
		"masterkey": func(ts *testscript.TestScript, _ bool, _ []string) { cmdMasterKey(ts, p) },
	}
}

// cmdProps makes what 08_config needs and no script can write: a secret, an
// editor in whose time the config is changed, and files that are too large.
func cmdProps(ts *testscript.TestScript) {
	raw := make([]byte, 16)
	rand.Read(raw)
	ts.Setenv("CANARY", hex.EncodeToString(raw))
	ts.Setenv("NL", "\n")
	ts.Setenv("RENDERED", "level=all\nport = 8080\nother={{.Template}}\n<nil>")
	editor := filepath.Join(ts.Getenv("WORK"), "meanwhile.sh")
	ts.Check(os.WriteFile(editor, []byte("#!/bin/sh\n"+built.Paas+" config:set MEANWHILE=1 -a cfg-shop && exec sed -i -e s/LEVEL=edited/LEVEL=late/ \"$1\"\n"), 0o755))
	ts.Setenv("MEANWHILE", editor)
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "K%d=v\n", i)
	}
	for name, text := range map[string]string{"big.env": "BIG=" + strings.Repeat("x", 1_000_000), "many.env": many.String()} {
		ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), name), []byte(text), 0o600))
	}
}

// cmdUnseen looks for a secret in all that people see of an app and in all
// that the platform keeps: database, logs, repositories, its own log.
func cmdUnseen(ts *testscript.TestScript, p *platform, app, secret string) {
	for _, args := range [][]string{{"logs", "-n", "1500"}, {"events", "-n", "1000", "--json"}, {"releases", "--json"}, {"releases:info", "v3", "--json"},
		{"releases:diff", "v2", "v3"}, {"config:history", "--json"}, {"deploys", "--json"}, {"ps", "--json"}} {
		cmd := exec.Command(built.Paas, append(args, "-a", app)...)
		cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			ts.Fatalf("paas %v: %v\n%s", args, err, out)
		}
		if bytes.Contains(out, []byte(secret)) {
			ts.Fatalf("paas %v shows the secret:\n%s", args, out)
		}
	}
	if strings.Contains(p.Log.String(), secret) {
		ts.Fatalf("the server's log shows the secret")
	}
	found := false // that it is found where it is shows that it would be
	ts.Check(filepath.WalkDir(p.data, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() || strings.Contains(path, "/buildkit/net/") {
			return nil // the platform runs; a network's handle is no file
		}
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if bytes.Contains(text, []byte(secret)) {
			return fmt.Errorf("%s holds the secret", path)
		}
		found = found || strings.Contains(path, "/postgres/") && bytes.Contains(text, []byte("Set CANARY, LEVEL config vars"))
		return err
	}))
	if !found {
		ts.Fatalf("the database does not even hold what it should")
	}
}

// cmdMasterKey rotates the master key of the running platform.
func cmdMasterKey(ts *testscript.TestScript, p *platform) {
	before, err := p.paas("master-key")
	ts.Check(err)
	out, err := p.paas("master-key:rotate")
	if err != nil || !strings.Contains(out, "wraps the data keys of") {
		ts.Fatalf("rotate: %v\n%s", err, out)
	}
	after, err := p.paas("master-key")
	ts.Check(err)
	file, err := os.ReadFile(filepath.Join(p.data, "master.key"))
	ts.Check(err)
	if before == after || strings.Count(string(file), "\n") != 1 {
		ts.Fatalf("the key was %s, is %s; the file has %d lines", before, after, strings.Count(string(file), "\n"))
	}
}

// A rotation that is killed, wherever, is finished by the next start, and a
// wrong key starts nothing.
func TestMasterKeyRotationKilled(t *testing.T) {
	p := newPlatform(filepath.Join(built.Dir, "vault"))
	defer p.destroy()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	p.mustPaas(t, "apps:create", "cfg-vault", "--no-remote")
	p.mustPaas(t, "config:set", "KEPT=value", "-a", "cfg-vault")
	for _, at := range []string{"rotate.begun", "rotate.both_keys", "rotate.wrapped", "rotate.done"} {
		p.terminate()
		if err := p.start("--failpoint", at+"=kill"); err != nil {
			t.Fatal(err)
		}
		if out, err := p.paas("master-key:rotate"); err == nil {
			t.Fatalf("%s: it was not killed:\n%s", at, out)
		}
		select {
		case <-p.Exited:
		case <-time.After(60 * time.Second):
			t.Fatalf("%s: it lives", at)
		}
		if err := p.start(); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		if out := p.mustPaas(t, "config:get", "KEPT", "-a", "cfg-vault"); out != "value\n" {
			t.Fatalf("%s: config is %q", at, out)
		}
		if file, err := os.ReadFile(filepath.Join(p.data, "master.key")); err != nil || strings.Count(string(file), "\n") != 1 {
			t.Fatalf("%s: %v, the file has %d lines", at, err, strings.Count(string(file), "\n"))
		}
	}
	p.terminate()
	wrong := strings.Repeat("ab", 32) + "\n"
	key := filepath.Join(p.data, "master.key")
	right, err := os.ReadFile(key)
	platformtest.Must(err)
	platformtest.Must(os.WriteFile(key, []byte(wrong), 0o600))
	if err := p.start(); err == nil || !strings.Contains(p.Log.String()+err.Error(), "is not the one this database is sealed with") {
		t.Fatalf("with a wrong key: %v", err)
	}
	platformtest.Must(os.Remove(key))
	if err := p.start(); err == nil || !strings.Contains(p.Log.String()+err.Error(), "is missing") {
		t.Fatalf("without a key: %v", err)
	}
	platformtest.Must(os.WriteFile(key, right, 0o600))
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	if out := p.mustPaas(t, "config:get", "KEPT", "-a", "cfg-vault"); out != "value\n" {
		t.Fatalf("config is %q", out)
	}
}
