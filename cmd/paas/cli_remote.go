package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"paas/server/api"
)

const (
	sshUser        = "paas"
	defaultHost    = "localhost"
	defaultSSHPort = 2222 // of a server named without a port
	plainSSHPort   = 22   // of a git URL without one
)

// sshHost is an SSH server's address. String is the key logins are kept by.
type sshHost struct {
	user, host string
	port       int
}

func (h sshHost) String() string { return net.JoinHostPort(h.host, strconv.Itoa(h.port)) }

// hostName is an allow-list: the name becomes an argument of ssh.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$|^[0-9A-Fa-f:]{2,45}$`)

var userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)

var nameOfApp = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$`)

// parseServer reads "", "host", "host:port", "[::1]:port", "user@host" and
// "ssh://user@host:port".
func parseServer(s string) (sshHost, error) {
	bad := fmt.Errorf("%s is no server: give HOST, HOST:PORT or ssh://USER@HOST:PORT", printable(strconv.Quote(s)))
	h := sshHost{user: sshUser, host: defaultHost, port: defaultSSHPort}
	if s == "" {
		return h, nil
	}
	rest := strings.TrimPrefix(s, "ssh://")
	rest = strings.TrimSuffix(rest, "/")
	if user, after, ok := strings.Cut(rest, "@"); ok {
		h.user, rest = user, after
	}
	h.host = rest
	if strings.Count(rest, ":") == 1 || strings.HasPrefix(rest, "[") && !strings.HasSuffix(rest, "]") {
		host, port, err := net.SplitHostPort(rest)
		if err != nil {
			return h, bad
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			return h, bad
		}
		h.host, h.port = host, n
	}
	h.host = strings.ToLower(strings.Trim(h.host, "[]"))
	if !h.valid() {
		return h, bad
	}
	return h, nil
}

func (h sshHost) valid() bool {
	return hostName.MatchString(h.host) && userName.MatchString(h.user) && h.port > 0 && h.port < 1<<16
}

// parseRemote reads the URL of a git remote that deploys an app:
// "ssh://user@host:port/app.git" or "user@host:app.git".
func parseRemote(remote string) (h sshHost, app string, ok bool) {
	h = sshHost{port: plainSSHPort}
	if strings.HasPrefix(remote, "ssh://") {
		u, err := url.Parse(remote)
		if err != nil || u.User == nil || u.RawQuery != "" || u.Fragment != "" {
			return h, "", false
		}
		if p := u.Port(); p != "" {
			if h.port, err = strconv.Atoi(p); err != nil {
				return h, "", false
			}
		}
		h.user, h.host, app = u.User.Username(), strings.ToLower(u.Hostname()), u.Path
	} else {
		left, path, found := strings.Cut(remote, ":")
		user, host, at := strings.Cut(left, "@")
		if !found || !at {
			return h, "", false
		}
		h.user, h.host, app = user, strings.ToLower(host), path
	}
	app = strings.TrimSuffix(strings.TrimPrefix(app, "/"), ".git")
	return h, app, h.valid() && nameOfApp.MatchString(app)
}

// gitURL is what git reaches an app by: at the address that the person has logged
// in to. The server has a name of its own for itself, which need not lead there
// from here, and commands find the login by the remote.
func (s *session) gitURL(a api.App) string {
	h, err := parseServer(s.server)
	_, app, ok := parseRemote(a.GitURL)
	if s.server == "" || strings.Contains(s.server, "://") || err != nil || !ok {
		return a.GitURL
	}
	return "ssh://" + sshUser + "@" + h.String() + "/" + app + ".git"
}

// remote is a git remote of the present repository.
type remote struct{ name, url string }

// remotes lists them; none outside of a repository.
func (c *cli) remotes(ctx context.Context) ([]remote, error) {
	if c.away {
		return nil, nil
	}
	out, err := c.git(ctx, "config", "--null", "--get-regexp", `^remote\..*\.url$`)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, nil // none, or no repository
	}
	if err != nil {
		return nil, err
	}
	var all []remote
	for entry := range strings.SplitSeq(out, "\x00") {
		key, value, ok := strings.Cut(entry, "\n")
		if !ok {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(key, "remote."), ".url")
		if !slices.ContainsFunc(all, func(r remote) bool { return r.name == name }) {
			all = append(all, remote{name, value})
		}
	}
	return all, nil
}

// git runs git in the present directory and gives what it printed.
func (c *cli) git(ctx context.Context, args ...string) (string, error) {
	if c.away {
		return "", errAway
	}
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = c.environ
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("git is not installed")
	}
	return string(out), err
}
