package registry

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
)

// LibraryPrefix begins the repositories that stand in for official images.
const LibraryPrefix = "library/"

// scopedUser begins the user name of credentials for one repository.
const scopedUser = "repo-"

// repoPath finds the repository's name the way distribution's router does:
// everything up to the last of the words that may follow a name.
var repoPath = regexp.MustCompile(`^/v2/(.+)/(?:manifests|blobs|tags)/`)

// RepoAuth derives the credentials that open one repository and nothing else
// (and read the stand-ins of base images). They are handed to a build, so that
// a Dockerfile cannot name another app's image.
func RepoAuth(password, repo string) Auth {
	mac := hmac.New(sha256.New, []byte(password))
	mac.Write([]byte("repository " + repo))
	return Auth{User: scopedUser + repo, Password: hex.EncodeToString(mac.Sum(nil))}
}

type verdict int

const (
	allow     verdict = iota
	challenge         // 401: say who you are
	hide              // 404: as if it did not exist
)

// caller is who a request proved to be.
type caller struct {
	root bool   // the registry's own credentials
	repo string // credentials for this repository
}

func (c caller) known() bool { return c.root || c.repo != "" }

// handler guards app and logs what went wrong inside it.
func (r *Registry) handler(app http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c, offered := r.identify(req)
		v := c.decide(req.Method, req.URL.Path)
		if v == allow && offered && !c.known() {
			v = challenge // wrong credentials are refused, even where none are needed
		}
		switch v {
		case challenge:
			w.Header().Set("WWW-Authenticate", `Basic realm="paas"`)
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
			return
		case hide:
			refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
			return
		}
		c.dropForeignMount(req)
		sw := &statusWriter{ResponseWriter: w}
		start := time.Now()
		app.ServeHTTP(sw, req)
		if sw.status >= http.StatusInternalServerError {
			r.log.Error("registry request failed", "method", req.Method, "path", req.URL.Path,
				"status", sw.status, "took", time.Since(start))
		}
	})
}

// identify checks the basic credentials of a request. offered is true when
// there were any, right or wrong.
func (r *Registry) identify(req *http.Request) (c caller, offered bool) {
	user, password, ok := req.BasicAuth()
	if !ok {
		return caller{}, req.Header.Get("Authorization") != ""
	}
	if same(user, r.cfg.User) && same(password, r.cfg.Password) {
		return caller{root: true}, true
	}
	repo, scoped := strings.CutPrefix(user, scopedUser)
	if scoped && repo != "" && same(password, RepoAuth(r.cfg.Password, repo).Password) {
		return caller{repo: repo}, true
	}
	return caller{}, true
}

// decide says what c may do at a path of the registry's API.
func (c caller) decide(method, p string) verdict {
	clean := path.Clean(p)
	if clean != p && clean+"/" != p {
		return hide // distribution's router would redirect; nobody here needs that
	}
	if c.root {
		return allow
	}
	m := repoPath.FindStringSubmatch(p)
	if m == nil {
		return c.decidePlain(clean)
	}
	read := method == http.MethodGet || method == http.MethodHead
	switch {
	case strings.HasPrefix(m[1], LibraryPrefix) && read:
		return allow
	case !c.known():
		return challenge
	case c.repo == m[1]:
		return allow
	}
	return hide
}

// decidePlain is decide for paths that name no repository: the version check
// is for everybody with credentials, the catalog for the registry's own.
func (c caller) decidePlain(clean string) verdict {
	if !c.known() {
		return challenge
	}
	if clean == "/v2" {
		return allow
	}
	return hide
}

// dropForeignMount makes "take this blob from that repository" into a plain
// upload where c may not read that repository.
func (c caller) dropForeignMount(req *http.Request) {
	q := req.URL.Query()
	from := q.Get("from")
	if from == "" || c.root || c.repo == from || strings.HasPrefix(from, LibraryPrefix) {
		return
	}
	q.Del("from")
	q.Del("mount")
	req.URL.RawQuery = q.Encode()
}

func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// code and message are constants without characters that JSON escapes.
	_, _ = w.Write([]byte(`{"errors":[{"code":"` + code + `","message":"` + message + `"}]}` + "\n"))
}

// statusWriter remembers the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController and sendfile reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
