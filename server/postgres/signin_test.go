package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/server"
)

// link makes a sign-in link for somebody.
func (h *house) link(who server.Actor) string {
	h.t.Helper()
	l, err := h.svc.CreateSignInLink(h.as(who), who)
	h.must(err)
	if left := time.Until(l.ExpiresAt); left < 4*time.Minute || left > 6*time.Minute {
		h.t.Errorf("the link lives %s", left)
	}
	return l.Code
}

// signIn opens a session for somebody and gives its secret.
func (h *house) signIn(who server.Actor) (string, server.WebSession) {
	h.t.Helper()
	secret, ws, err := h.svc.SignIn(h.ctx, h.link(who), "192.0.2.1", "Firefox\x1b[31m")
	h.must(err)
	return secret, ws
}

// signedIn is somebody as the dashboard knows them.
func (h *house) signedIn(who server.Actor) server.Actor {
	h.t.Helper()
	secret, _ := h.signIn(who)
	actor, _, err := h.svc.SessionActor(h.ctx, secret, "192.0.2.1")
	h.must(err)
	return actor
}

// said is the newest lines of the audit log about signing in, oldest first.
func (h *house) said() string {
	h.t.Helper()
	list, err := h.Audit(h.ctx, "", 100)
	h.must(err)
	var lines []string
	for i := len(list) - 1; i >= 0; i-- {
		if strings.HasPrefix(list[i].Kind, "signin") || strings.HasPrefix(list[i].Kind, "passkey") || strings.HasPrefix(list[i].Kind, "identity") {
			lines = append(lines, list[i].Actor+" "+list[i].Via+" "+list[i].Kind)
		}
	}
	return strings.Join(lines, "\n")
}

func TestSignInLinkWorksOnce(t *testing.T) {
	h := newHouse(t)
	ann, joe := h.person("nina@example.com"), h.person("joe@example.com")
	code := h.link(ann)
	for range 2 { // looking does not use it
		a, err := h.svc.PeekSignInLink(h.ctx, code)
		if err != nil || a.Email != ann.Email {
			t.Fatalf("%s, %v", a.Email, err)
		}
	}
	secret, ws, err := h.svc.SignIn(h.ctx, code, "192.0.2.1", "Firefox\x1b[31m")
	h.must(err)
	if ws.Email != ann.Email || ws.How != "link" || ws.From != "192.0.2.1" || ws.Agent != "Firefox[31m" || !ws.Current || ws.ID == "" {
		t.Errorf("the session is %+v", ws)
	}
	actor, seen, err := h.svc.SessionActor(h.ctx, secret, "192.0.2.1")
	h.must(err)
	if actor.ID != ann.ID || actor.Via != "web" || actor.Session != ws.ID || actor.Token != "" || len(actor.Scope) != 0 || seen.ID != ws.ID {
		t.Errorf("the actor is %+v", actor)
	}
	for _, try := range []func() error{
		func() error { _, err := h.svc.PeekSignInLink(h.ctx, code); return err },
		func() error { _, _, err := h.svc.SignIn(h.ctx, code, "192.0.2.1", ""); return err },
	} {
		if err := try(); !server.IsID(err, server.ErrNotFound) || !strings.Contains(err.Error(), "used already") {
			t.Errorf("the second time: %v", err)
		}
	}
	if list, err := h.svc.WebSessions(h.ctx, joe); err != nil || len(list) != 0 {
		t.Errorf("joe is signed in: %v %v", list, err)
	}
	if err := h.svc.EndWebSession(h.ctx, joe, ws.ID); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("joe ended ann's session: %v", err)
	}
	want := "nina@example.com api signin.link\nnina@example.com web signin\nnobody web signin.refused"
	if got := h.said(); got != want {
		t.Errorf("the audit log says\n%s", got)
	}
}

// Of many that use one link at the same time, one is signed in.
func TestSignInLinkRace(t *testing.T) {
	h := newHouse(t)
	code := h.link(h.person("nina@example.com"))
	var all sync.WaitGroup
	results := make(chan error, 8)
	for i := range 8 {
		all.Go(func() {
			_, _, err := h.svc.SignIn(h.ctx, code, fmt.Sprintf("192.0.%d.1", i), "")
			results <- err
		})
	}
	all.Wait()
	close(results)
	in := 0
	for err := range results {
		if err == nil {
			in++
		} else if !strings.Contains(err.Error(), "used already") {
			t.Error(err)
		}
	}
	if in != 1 {
		t.Errorf("%d were signed in", in)
	}
}

func TestSignInLinkExpires(t *testing.T) {
	h := newHouse(t)
	code := h.link(h.person("nina@example.com"))
	h.sql("update sign_in_links set expires_at = now() - interval '1 second'")
	if _, err := h.svc.PeekSignInLink(h.ctx, code); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("looking at it: %v", err)
	}
	if _, _, err := h.svc.SignIn(h.ctx, code, "192.0.2.1", ""); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("using it: %v", err)
	}
	for _, code := range []string{"", "paaslink_", code[:len(code)-1] + "7", strings.Repeat("x", 1<<16)} {
		if _, _, err := h.svc.SignIn(h.ctx, code, "192.0.2.1", ""); err == nil || !strings.Contains(err.Error(), "not known") {
			t.Errorf("%.20q: %v", code, err)
		}
	}
}

// Who fails too often is told so, and what is written down of it is bounded.
// Nobody is kept out by it whose link is good: behind one address may be many.
func TestSignInIsLimited(t *testing.T) {
	h := newHouse(t)
	ann := h.person("nina@example.com")
	for range 30 {
		_, _, err := h.svc.SignIn(h.ctx, "guess", "198.51.100.9", "")
		if err == nil {
			t.Fatal("a guess was right")
		}
	}
	if _, _, err := h.svc.SignIn(h.ctx, "guess", "198.51.100.9", ""); !server.IsID(err, server.ErrRate) {
		t.Errorf("after 30 failures: %v", err)
	}
	for _, from := range []string{"198.51.100.9", "192.0.2.1"} {
		if _, _, err := h.svc.SignIn(h.ctx, h.link(ann), from, ""); err != nil {
			t.Errorf("a good link from %s: %v", from, err)
		}
	}
	if _, err := h.svc.KeepChallenge(h.ctx, "passkey", []byte("{}"), "198.51.100.9"); err != nil {
		t.Errorf("a passkey from there: %v", err)
	}
	if n := strings.Count(h.said(), "signin.refused"); n != 10 {
		t.Errorf("%d failures were written down", n)
	}
}

func TestWebSessionEnds(t *testing.T) {
	for label, end := range map[string]func(h *house, who server.Actor, secret string){
		"signed out": func(h *house, _ server.Actor, secret string) { h.must(h.svc.SignOut(h.ctx, secret)) },
		"idle": func(h *house, _ server.Actor, _ string) {
			h.sql("update web_sessions set seen_at = now() - interval '13 hours'")
		},
		"a week old": func(h *house, _ server.Actor, _ string) {
			h.sql("update web_sessions set expires_at = now() - interval '1 second'")
		},
		"ended from away": func(h *house, who server.Actor, _ string) {
			h.must(h.svc.EndWebSession(h.as(who), who, h.only(who).ID))
		},
		"account is gone": func(h *house, who server.Actor, _ string) {
			_, err := h.svc.RemoveAccount(h.ctx, h.svc.Operator(), who.Email)
			h.must(err)
		},
		"100 newer logins": func(h *house, who server.Actor, _ string) { h.crowd(who, 100) },
	} {
		t.Run(label, func(t *testing.T) {
			h := newHouse(t)
			who := h.person("nina@example.com")
			secret, _ := h.signIn(who)
			end(h, who, secret)
			if _, _, err := h.svc.SessionActor(h.ctx, secret, "192.0.2.1"); !server.IsID(err, server.ErrUnauthorized) {
				t.Errorf("it is %v", err)
			}
			if err := h.svc.SignOut(h.ctx, secret); err != nil {
				t.Errorf("signing out twice: %v", err)
			}
		})
	}
}

// only is the one session that somebody has.
func (h *house) only(who server.Actor) server.WebSession {
	h.t.Helper()
	list, err := h.svc.WebSessions(h.ctx, who)
	h.must(err)
	if len(list) != 1 {
		h.t.Fatalf("%d sessions", len(list))
	}
	return list[0]
}

// crowd signs somebody in from other browsers, later.
func (h *house) crowd(who server.Actor, n int) {
	h.sql("update web_sessions set seen_at = now() - interval '1 hour'")
	for range n {
		h.signIn(who)
	}
}

// A request is noted at most each minute, with where it came from.
func TestWebSessionIsSeen(t *testing.T) {
	h := newHouse(t)
	who := h.person("nina@example.com")
	secret, first := h.signIn(who)
	look := func(from string) server.WebSession {
		_, _, err := h.svc.SessionActor(h.ctx, secret, from)
		h.must(err)
		return h.only(who)
	}
	if got := look("192.0.2.200"); !got.SeenAt.Equal(first.SeenAt) || got.From != "192.0.2.1" {
		t.Errorf("a request within the minute was noted: %+v", got)
	}
	h.sql("update web_sessions set seen_at = now() - interval '2 hours'")
	before := h.only(who)
	if got := look("192.0.2.200"); !got.SeenAt.After(before.SeenAt) || got.From != "192.0.2.200" || !got.ExpiresAt.After(before.ExpiresAt) {
		t.Errorf("a request was not noted: %+v", got)
	}
	h.sql("update web_sessions set expires_at = now() + interval '1 hour'")
	if left := time.Until(look("").ExpiresAt); left > time.Hour {
		t.Errorf("use makes it live %s longer than a week", left)
	}
}

// A device's counter must grow, or never count; a copy of it is refused.
func TestPasskeyCounter(t *testing.T) {
	h := newHouse(t)
	ann := h.person("nina@example.com")
	p, err := h.svc.AddPasskey(h.as(ann), ann, server.Passkey{Credential: []byte{1, 2, 3}, Record: []byte(`{}`), SignCount: 5, Name: " phone "})
	h.must(err)
	if p.Name != "phone" || p.AccountID != ann.ID {
		t.Errorf("it is %+v", p)
	}
	use := func(before, now uint32) error {
		a, have, err := h.svc.Passkey(h.ctx, []byte{1, 2, 3})
		h.must(err)
		if a.ID != ann.ID {
			t.Errorf("it is %s's", a.Email)
		}
		have.SignCount = now
		_, ws, err := h.svc.SignInByPasskey(h.ctx, have, before, "192.0.2.1", "")
		if err == nil && (ws.How != "passkey" || ws.Email != ann.Email) {
			t.Errorf("the session is %+v", ws)
		}
		return err
	}
	h.must(use(5, 6))
	for _, c := range [][2]uint32{{6, 6}, {6, 5}, {6, 0}, {5, 7}} { // the last was read before another used it
		if err := use(c[0], c[1]); !server.IsID(err, server.ErrForbidden) {
			t.Errorf("from %d to %d: %v", c[0], c[1], err)
		}
	}
	h.must(use(6, 8))
	joe := h.person("joe@example.com")
	if _, err := h.svc.AddPasskey(h.as(joe), joe, server.Passkey{Credential: []byte{1, 2, 3}, Record: []byte(`{}`)}); !server.IsID(err, server.ErrInvalid) {
		t.Errorf("joe has ann's passkey: %v", err)
	}
	if _, err := h.svc.RemovePasskey(h.as(joe), joe, p.ID); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("joe took ann's passkey away: %v", err)
	}
	_, err = h.svc.RemovePasskey(h.as(ann), ann, p.ID)
	h.must(err)
	if _, _, err := h.svc.Passkey(h.ctx, []byte{1, 2, 3}); !server.IsID(err, server.ErrNotFound) {
		t.Errorf("it is there still: %v", err)
	}
}

// A passkey that does not count is always at 0.
func TestPasskeyWithoutCounter(t *testing.T) {
	h := newHouse(t)
	ann := h.person("nina@example.com")
	p, err := h.svc.AddPasskey(h.as(ann), ann, server.Passkey{Credential: []byte{9}, Record: []byte(`{}`)})
	h.must(err)
	for range 2 {
		_, _, err = h.svc.SignInByPasskey(h.ctx, p, 0, "192.0.2.1", "")
		h.must(err)
	}
}

func TestIdentitySignsInAccountsThatExist(t *testing.T) {
	h := newHouse(t)
	ann := h.person("nina@example.com")
	h.person("joe@example.com")
	const issuer = "https://id.example.com"
	for _, c := range []struct {
		label string
		i     server.Identity
		want  string // e-mail; empty: refused
	}{
		{"an e-mail that is not verified", server.Identity{Issuer: issuer, Subject: "1", Email: "nina@example.com"}, ""},
		{"no account", server.Identity{Issuer: issuer, Subject: "1", Email: "eve@example.com", Verified: true}, ""},
		{"the operator's account", server.Identity{Issuer: issuer, Subject: "1", Email: server.OperatorEmail, Verified: true}, ""},
		{"no subject", server.Identity{Issuer: issuer, Email: "nina@example.com", Verified: true}, ""},
		{"the first time", server.Identity{Issuer: issuer, Subject: "1", Email: "Nina@Example.com", Verified: true}, "nina@example.com"},
		{"the e-mail has changed", server.Identity{Issuer: issuer, Subject: "1", Email: "joe@example.com", Verified: true}, "nina@example.com"},
		{"and is not verified", server.Identity{Issuer: issuer, Subject: "1"}, "nina@example.com"},
		{"somebody else with her e-mail", server.Identity{Issuer: issuer, Subject: "2", Email: "nina@example.com", Verified: true}, ""},
		{"her at another provider", server.Identity{Issuer: issuer + "/2", Subject: "1", Email: "nina@example.com", Verified: true}, "nina@example.com"},
	} {
		_, ws, err := h.svc.SignInByIdentity(h.ctx, c.i, "", "") // from nowhere, so that nothing is limited
		if (err == nil) != (c.want != "") || ws.Email != c.want {
			t.Errorf("%s: %q, %v", c.label, ws.Email, err)
		}
	}
	_, err := h.svc.RemoveAccount(h.ctx, h.svc.Operator(), ann.Email)
	h.must(err)
	if _, _, err := h.svc.SignInByIdentity(h.ctx, server.Identity{Issuer: issuer, Subject: "1"}, "", ""); !server.IsID(err, server.ErrForbidden) {
		t.Errorf("a removed account: %v", err)
	}
}

func TestChallengesAreTakenOnce(t *testing.T) {
	h := newHouse(t)
	ticket, err := h.svc.KeepChallenge(h.ctx, "oidc", []byte("x"), "192.0.2.1")
	h.must(err)
	for _, try := range [][2]string{{"passkey", ticket}, {"oidc", "paasask_x"}} {
		if _, err := h.svc.TakeChallenge(h.ctx, try[0], try[1]); !server.IsID(err, server.ErrInvalid) {
			t.Errorf("%v: %v", try, err)
		}
	}
	if data, err := h.svc.TakeChallenge(h.ctx, "oidc", ticket); err != nil || string(data) != "x" {
		t.Errorf("%q %v", data, err)
	}
	if _, err := h.svc.TakeChallenge(h.ctx, "oidc", ticket); !server.IsID(err, server.ErrInvalid) {
		t.Errorf("twice: %v", err)
	}
	late, err := h.svc.KeepChallenge(h.ctx, "oidc", []byte{}, "192.0.2.1")
	h.must(err)
	h.sql("update sign_in_challenges set expires_at = now() - interval '1 second'")
	if _, err := h.svc.TakeChallenge(h.ctx, "oidc", late); !server.IsID(err, server.ErrInvalid) {
		t.Errorf("late: %v", err)
	}
	for err == nil {
		_, err = h.svc.KeepChallenge(h.ctx, "oidc", []byte{}, "203.0.113.1")
	}
	if !server.IsID(err, server.ErrRate) {
		t.Errorf("the end is %v", err)
	}
	h.sql("insert into sign_in_challenges select sha256(n::text::bytea), 'oidc', '', now() + interval '1 hour' from generate_series(1, 10000) n")
	if err := h.KeepChallenge(context.WithoutCancel(h.ctx), make([]byte, 32), "oidc", []byte{}, time.Minute); !server.IsID(err, server.ErrUnavailable) {
		t.Errorf("a full table: %v", err)
	}
}
