package platformtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Thorough skips a test unless make test-faults runs it.
func Thorough(t testing.TB) {
	t.Helper()
	if os.Getenv("PAAS_FAULTS") == "" {
		t.Skip("run by make test-faults")
	}
}

var joinLine = regexp.MustCompile(`paas (agent|router) join (\S+) (\S+) --ca (\S+)`)

// JoinCommand is the command line that hosts:add or routers:add printed, without
// its first word: the third is the server's address.
func JoinCommand(t testing.TB, said string) []string {
	t.Helper()
	m := joinLine.FindStringSubmatch(said)
	if m == nil {
		t.Fatalf("no command was printed:\n%s", said)
	}
	return []string{m[1], "join", m[2], m[3], "--ca", m[4]}
}

// SSHFlags are those of ssh for who has the key; it trusts every server.
func (b *Built) SSHFlags() []string {
	return []string{"-F", "/dev/null", "-i", b.Key, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"}
}

// Env is what git, ssh and the CLI of the key's owner need, with a home.
func (b *Built) Env(home string) []string {
	return []string{"HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, ".config"), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_SSH_COMMAND=ssh " + strings.Join(b.SSHFlags(), " "), "GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com",
		"GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com"}
}

// Repo is a developer's clone of an app that is the built program and a file
// VERSION.
type Repo struct {
	Dir string
	b   *Built
}

// Repo makes one in an empty directory, of an image with a Dockerfile.
func (b *Built) Repo(t testing.TB, dir, dockerfile string) *Repo {
	t.Helper()
	r := &Repo{Dir: dir, b: b}
	Must(os.Link(b.App, filepath.Join(dir, "app")))
	r.Write("Dockerfile", dockerfile)
	r.Git(t, "init", "-q", "-b", "main")
	return r
}

// Write writes a file of it.
func (r *Repo) Write(name, text string) {
	Must(os.WriteFile(filepath.Join(r.Dir, name), []byte(text), 0o644))
}

// Command is one of git.
func (r *Repo) Command(args ...string) *exec.Cmd {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = r.Dir, append(os.Environ(), r.b.Env(r.Dir)...)
	return cmd
}

// Git runs a command and gives what it printed.
func (r *Repo) Git(t testing.TB, args ...string) string {
	t.Helper()
	out, err := r.Command(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Commit makes a commit of a version and gives its id.
func (r *Repo) Commit(t testing.TB, version string) string {
	t.Helper()
	r.Write("VERSION", version)
	r.Git(t, "add", "-A", "--", ".")
	r.Git(t, "commit", "-q", "-m", version)
	return r.Git(t, "rev-parse", "HEAD")
}
