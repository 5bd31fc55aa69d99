package e2e

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"paas/cmd/paas/platformtest"
)

// member is somebody with an account, a key and a login of their own.
type member struct {
	t     *testing.T
	p     *platform
	email string
	home  string
	env   []string
}

// member makes an account that a new key proves, and logs in with it; flags
// are those of accounts:create.
func (p *platform) member(t *testing.T, email string, flags ...string) *member {
	t.Helper()
	name, _, _ := strings.Cut(email, "@")
	who := &member{t: t, p: p, email: email, home: filepath.Join(t.TempDir(), name)}
	key := filepath.Join(who.home, ".ssh", "id_ed25519")
	platformtest.Must(os.MkdirAll(filepath.Dir(key), 0o700))
	platformtest.Run(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name+"@laptop", "-f", key)
	for _, v := range built.Env(who.home) {
		v = strings.ReplaceAll(v, built.Key, key)
		if k, _, _ := strings.Cut(v, "="); strings.HasSuffix(k, "_NAME") {
			v = k + "=" + strings.ToUpper(name[:1]) + name[1:]
		} else if strings.HasSuffix(k, "_EMAIL") {
			v = k + "=" + email
		}
		who.env = append(who.env, v)
	}
	p.mustPaas(t, append([]string{"accounts:create", email, "--key", key + ".pub"}, flags...)...)
	if slices.Contains(flags, "--admin") {
		t.Cleanup(func() { // others test what happens to the last admin
			p.user(t)
			p.mustPaas(t, "accounts:admin", email, "--off")
		})
	}
	host, port, err := net.SplitHostPort(p.ssh)
	platformtest.Must(err)
	who.paas("login", "ssh://paas@"+net.JoinHostPort(host, port), "-i", key, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
	return who
}

// try runs a program as the member.
func (w *member) try(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), w.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// paas runs the CLI as the member.
func (w *member) paas(args ...string) string {
	w.t.Helper()
	out, err := w.try(w.home, built.Paas, args...)
	if err != nil {
		w.t.Fatalf("paas %v as %s: %v\n%s\nserver:\n%s", args, w.email, err, out, platformtest.Tail(w.p.Log.String(), 20))
	}
	return out
}

// tab is a browser that the member is signed in with.
func (w *member) tab() *tab {
	w.t.Helper()
	b := newStrangersTab(w.t, w.p)
	b.signIn(findLink(w.t, w.paas("dashboard", "--print")))
	return b
}

// db is a connection to the platform's private Postgres.
func (p *platform) db(t *testing.T) *pgx.Conn {
	t.Helper()
	db, err := pgx.Connect(t.Context(), "host="+filepath.Join(p.data, "postgres-socket")+" user=paas dbname=paas")
	platformtest.Must(err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	return db
}
