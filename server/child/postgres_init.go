package child

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxSocketName is the longest name the kernel takes for a unix socket, in bytes.
const maxSocketName = 107

// initTimeout bounds initdb and the first statements together.
const initTimeout = 2 * time.Minute

// dataVersion is the major version that made a data directory, empty when
// there is none yet.
func dataVersion(dir string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err == nil {
		return strings.TrimSpace(string(raw)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("%s is not empty and not a PostgreSQL data directory; nothing was changed; move it away", dir)
	}
	return "", nil
}

// findServer gives the directory of the server's programs: of the given major
// version when the data demand one, else of the newest.
func findServer(dirs []string, major string) (string, error) {
	if len(dirs) == 0 {
		dirs = standardBinDirs()
	}
	var found []string
	for _, dir := range dirs {
		version := serverVersion(dir)
		if version == "" {
			continue
		}
		if major == "" || version == major {
			return dir, nil
		}
		found = append(found, version)
	}
	switch {
	case len(found) > 0:
		return "", fmt.Errorf("the data directory was made by PostgreSQL %s, but only %s is installed; nothing was changed; "+
			"run: apt-get install postgresql-%s, or move the data over with pg_upgrade", major, strings.Join(found, ", "), major)
	case major != "":
		return "", fmt.Errorf("the server programs of PostgreSQL %s are not installed; run: apt-get install postgresql-%s", major, major)
	}
	return "", fmt.Errorf("the server programs (initdb, postgres) are not installed (looked in %s); run: apt-get install postgresql",
		strings.Join(dirs, ", "))
}

// standardBinDirs are Debian's version directories, newest first, then the
// places of other distributions.
func standardBinDirs() []string {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		dirs = nil
	}
	version := func(dir string) int {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil {
			return 0
		}
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	return append(dirs, "/usr/pgsql/bin", "/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin")
}

// serverVersion is the major version of the server in dir, empty when dir has
// none or not all of it.
func serverVersion(dir string) string {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return ""
	}
	cmd := exec.Command(filepath.Join(dir, "postgres"), "--version")
	cmd.Env = []string{"LC_ALL=C"}
	out, err := cmd.Output() // "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)"
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 3 {
		return ""
	}
	major, _, _ := strings.Cut(fields[2], ".")
	return major
}

// socketDir chooses the directory of the socket, as the kernel allows short
// names only.
func socketDir(given, dataDir string) (string, error) {
	fits := func(dir string) bool { return len(filepath.Join(dir, ".s.PGSQL."+pgPort)) <= maxSocketName }
	if given != "" {
		if !filepath.IsAbs(given) {
			return "", fmt.Errorf("the socket's directory %q is not an absolute path", given)
		}
		if !fits(given) {
			return "", fmt.Errorf("the socket's directory %s is too long: a unix socket's name has at most %d bytes", given, maxSocketName)
		}
		return filepath.Clean(given), nil
	}
	if dir := filepath.Join(filepath.Dir(dataDir), "postgres-socket"); fits(dir) {
		return dir, nil
	}
	return shortRunDir("postgres", dataDir), nil
}

// shortRunDir is a short directory that stands for a long one.
func shortRunDir(what, long string) string {
	sum := sha256.Sum256([]byte(long))
	return filepath.Join("/run/paas", what+"-"+hex.EncodeToString(sum[:6]))
}

// initialize makes the cluster, its role and its database in a directory beside
// the wanted one, and moves it there when all is done: the data directory is
// complete or missing.
func (p *postgres) initialize(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	p.log.Info("making the private PostgreSQL", "dir", p.cfg.DataDir)
	tmp := p.cfg.DataDir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := p.user.own(tmp, 0o700); err != nil {
		return err
	}
	if err := p.tool(ctx, "", "initdb", "-D", tmp, "-U", pgSuperuser, "--locale=C.UTF-8", "--encoding=UTF8",
		"--auth-local=peer", "--auth-host=reject"); err != nil {
		return err
	}
	// Single-user mode: no server has to be up for the first statements.
	statements := fmt.Sprintf("CREATE ROLE %s LOGIN;\nCREATE DATABASE %s OWNER %s;\n", pgRole, pgRole, pgRole)
	if err := p.tool(ctx, statements, "postgres", "--single", "-D", tmp, "-c", "log_checkpoints=off", "postgres"); err != nil {
		return err
	}
	if err := os.Remove(p.cfg.DataDir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // an empty directory may stand there, nothing else
	}
	return os.Rename(tmp, p.cfg.DataDir)
}

// tool runs one of PostgreSQL's programs to its end.
func (p *postgres) tool(ctx context.Context, input, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	cmd.Env = []string{"LC_ALL=C.UTF-8", "PATH=" + p.bin + ":/usr/bin:/bin", "TZ=UTC"}
	cmd.Dir = "/"
	cmd.Stdin = strings.NewReader(input)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.user.credential()}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	text := strings.TrimSpace(out.String())
	// Single-user mode ends with 0 even when a statement failed.
	if err == nil && strings.Contains(text, "ERROR:") {
		err = errors.New("a statement failed")
	}
	if err == nil {
		return nil
	}
	if advice := explainPostgres([]string{text}); advice != "" {
		return fmt.Errorf("%s: %s", name, advice)
	}
	lines := strings.Split(text, "\n")
	return fmt.Errorf("%s: %w:\n  %s", name, err, strings.Join(lines[max(0, len(lines)-10):], "\n  "))
}

// writeAccess lets in nobody but processes of the platform's own user, over
// the unix socket; the kernel says who they are.
func (p *postgres) writeAccess(dir string) error {
	self, err := currentUser()
	if err != nil {
		return err
	}
	const hba = "# Written by paas at every start.\nlocal all all peer map=paas\n"
	ident := fmt.Sprintf("# Written by paas at every start.\npaas %q %s\npaas %q %s\n", self, pgRole, self, pgSuperuser)
	for name, text := range map[string]string{"pg_hba.conf": hba, "pg_ident.conf": ident} {
		if err := p.user.replaceFile(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	return nil
}
