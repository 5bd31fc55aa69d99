package web

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Newcomers is what can be seen of how far somebody has come.
type Newcomers interface {
	Keys(ctx context.Context, actor server.Actor) ([]server.Key, error)
	AddKey(ctx context.Context, actor server.Actor, authorizedKey string) (server.Key, error)
	Authorizations(ctx context.Context, actor server.Actor) ([]server.Token, error)
}

// startPath is where a person without an app is sent. The page has a path of
// its own because it goes on when the app is there.
const startPath = "/start"

func (s *Server) startRoutes(r chi.Router) {
	r.Get(startPath, s.page(s.startPage))
	r.Post(startPath+"/keys", s.page(s.addFirstKey))
}

// firstRun is the front page of who has no app.
func (s *Server) firstRun(v *visit) error {
	http.Redirect(v.w, v.r, startPath, http.StatusSeeOther)
	return nil
}

// firstSteps is what to type until the first deploy, and how far it has come.
type firstSteps struct {
	Email   string
	Keys    []server.Key
	Login   bool
	App     string // the app that waits for its first push, "" before there is one
	Deploy  server.DeployNote
	May     bool // push to that app
	Server  string
	HostKey string
	APIURL  string
	GitURL  string
	WebURL  string
	Own     bool // on its own page, not on an app's

	Line    string // a key that was refused
	Refused string
}

// SawKey says that a key is there or was not needed.
func (f firstSteps) SawKey() bool { return len(f.Keys) > 0 || f.Login || f.Deploy.ID != "" }

// SawLogin says that the command line was logged in, or was not needed.
func (f firstSteps) SawLogin() bool { return f.Login || f.Deploy.ID != "" }

func (s *Server) startPage(v *visit) error { return s.showStart(v, http.StatusOK, "", nil) }

func (s *Server) showStart(v *visit, status int, line string, refused error) error {
	list, err := s.svc.AppList(v.ctx(), v.actor())
	if err != nil {
		return err
	}
	f := firstSteps{Own: true, Line: line, May: true}
	if len(list) > 0 {
		newest := slices.MaxFunc(list, func(a, b server.AppRow) int { return a.CreatedAt.Compare(b.CreatedAt) })
		f.App, f.Deploy = newest.Name, newest.Deploy
	}
	if refused != nil {
		f.Refused = s.explain(v.r, refused).Message
	}
	if err := s.howFar(v, &f); err != nil {
		return err
	}
	return v.showStatus(status, "firstrun", "", "First steps", f)
}

// awaitFirstPush is the overview of an app that has no release with code. It
// turns into the page of the deploy when one begins.
func (s *Server) awaitFirstPush(v *visit) error {
	list, err := s.svc.Deploys(v.ctx(), v.actor(), v.app().ID, server.Page{Max: 1, Desc: true})
	if err != nil {
		return err
	}
	f := firstSteps{App: v.app().Name, May: v.may(server.PermDeploy)}
	if len(list) > 0 {
		f.Deploy = server.DeployNote{ID: list[0].ID, State: list[0].State, At: list[0].UpdatedAt}
	}
	if err := s.howFar(v, &f); err != nil {
		return err
	}
	return v.show("firstrun", "overview", "First push", f)
}

func (s *Server) howFar(v *visit, f *firstSteps) (err error) {
	if f.Keys, err = s.svc.Keys(v.ctx(), v.actor()); err != nil {
		return err
	}
	tokens, err := s.svc.Authorizations(v.ctx(), v.actor())
	if err != nil {
		return err
	}
	f.Login = slices.ContainsFunc(tokens, func(t server.Token) bool { return t.Kind == server.TokenLogin })
	f.Email, f.HostKey, f.APIURL = v.actor().Email, s.cfg.HostKey(), s.cfg.APIURL()
	f.Server = net.JoinHostPort(s.cfg.SSHAddr())
	if f.App != "" {
		f.GitURL, f.WebURL = s.cfg.GitURL(f.App), s.cfg.WebURL(f.App)
	}
	return nil
}

// addFirstKey registers a public key; one that is refused stays in its field.
func (s *Server) addFirstKey(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	line := strings.TrimSpace(v.field("key"))
	k, err := s.svc.AddKey(v.ctx(), v.actor(), line)
	if err != nil {
		p := s.explain(v.r, err)
		if p.Status >= http.StatusInternalServerError {
			return err
		}
		return s.showStart(v, p.Status, line, err)
	}
	return v.done(startPath, "Added the key "+k.Fingerprint+".")
}
