package web

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"paas/server"
)

// newcomer is somebody who has begun.
type newcomer struct {
	*fake
	keys    []server.Key
	tokens  []server.Token
	deploys []server.Deploy
}

func (f *newcomer) Keys(context.Context, server.Actor) ([]server.Key, error) { return f.keys, nil }

func (f *newcomer) Authorizations(context.Context, server.Actor) ([]server.Token, error) {
	return f.tokens, nil
}

func (f *newcomer) AddKey(_ context.Context, _ server.Actor, line string) (server.Key, error) {
	if !strings.HasPrefix(line, "ssh-") {
		return server.Key{}, server.Errorf(server.ErrInvalid, "That is no public key. Nothing was changed.")
	}
	f.keys = append(f.keys, server.Key{Fingerprint: "SHA256:mine", Comment: evil})
	return f.keys[0], nil
}

func (f *newcomer) AppList(context.Context, server.Actor) ([]server.AppRow, error) {
	var list []server.AppRow
	for _, a := range f.apps {
		row := server.AppRow{App: a}
		if len(f.deploys) > 0 {
			row.Deploy = server.DeployNote{ID: f.deploys[0].ID, State: f.deploys[0].State}
		}
		list = append(list, row)
	}
	return list, nil
}

func (f *newcomer) Deploys(context.Context, server.Actor, string, server.Page) ([]server.Deploy, error) {
	return f.deploys, nil
}

func TestFirstRunSeesEachStep(t *testing.T) {
	f := &newcomer{fake: newFake()}
	b := newBrowser(t, f)
	todo := func(n int, texts ...string) string {
		t.Helper()
		body := b.page("/start", texts...)
		if got := strings.Count(body, "to do</span>"); got != n {
			t.Errorf("%d steps are to be done, want %d:\n%s", got, n, body)
		}
		return body
	}
	todo(4, "ann@example.com", "ssh-keygen -t ed25519", "paas login example.com:2222", "SHA256:abc", "paas apps:create", "git push paas main", "http://example.com:8081", `data-live="/live"`, `data-deploy=""`)
	w := b.post("/start/keys", "key", "<b>no key")
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "&lt;b&gt;no key</textarea>") || !strings.Contains(w.Body.String(), "That is no public key") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.post("/start/keys", "key", "ssh-ed25519 AAAA me"); w.Header().Get("Location") != "/start" {
		t.Errorf("%d", w.Code)
	}
	stayInert(t, "/start", todo(3, "SHA256:mine"))
	f.tokens = []server.Token{{Kind: server.TokenLogin}}
	todo(2)
	f.apps = newFake("shop").apps
	todo(1, "git remote add paas ssh://paas@example.com/shop.git", `href="/apps/shop"`)
	f.deploys = []server.Deploy{{ID: "d1", State: server.DeployBuilding, CreatedAt: time.Now()}}
	todo(0, `data-turn="/apps/shop/deploys/d1"`, "follow it")
}

func TestFrontPageOfWhoHasNoApp(t *testing.T) {
	b := newBrowser(t, &newcomer{fake: newFake()})
	if w := b.get("/"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/start" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
