package postgres_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"paas/server"
)

// newKey is a fresh public key as a line of authorized_keys.
func newKey(t *testing.T) string {
	t.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) + " someone@laptop"
}

// owner is an account that owns an app and is no admin.
func (h *house) owner(email, app string) (server.Actor, server.App) {
	h.t.Helper()
	o := h.person(email)
	a, err := h.svc.CreateApp(h.as(o), o, app)
	h.must(err)
	return o, a
}

func (h *house) refused(err error, id server.ErrID, says string) {
	h.t.Helper()
	if !server.IsID(err, id) || !strings.Contains(err.Error(), says) {
		h.t.Errorf("got %v, want %s saying %q", err, id, says)
	}
}

// An account whose key belongs to another is not made at all.
func TestCreateAccountWithTakenKeyLeavesNothing(t *testing.T) {
	h := newHouse(t)
	op, key := h.svc.Operator(), newKey(t)
	_, err := h.svc.CreateAccount(h.as(op), op, "bob@example.com", false, key)
	h.must(err)
	_, err = h.svc.CreateAccount(h.as(op), op, "eve@example.com", false, key)
	h.refused(err, server.ErrInvalid, "registered by another account. Nothing was changed.")
	_, err = h.Account(h.ctx, "eve@example.com")
	h.refused(err, server.ErrNotFound, "")
	_, err = h.svc.CreateAccount(h.as(op), op, "bob@example.com", true, key) // again, and more
	h.must(err)
	for _, bad := range []string{"ssh-rsa AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----", "x"} {
		_, err = h.svc.CreateAccount(h.as(op), op, "zoe@example.com", false, bad)
		h.refused(err, server.ErrInvalid, "")
	}
	_, err = h.Account(h.ctx, "zoe@example.com")
	h.refused(err, server.ErrNotFound, "")
}

func TestAccountsAreAdmins(t *testing.T) {
	h := newHouse(t)
	op, ann := h.svc.Operator(), server.Actor{Account: h.user}
	bob := h.person("bob@example.com")
	_, err := h.svc.FindAccount(h.ctx, bob, ann.Email)
	h.refused(err, server.ErrNotFound, "find that account")
	// The last admin that logs in stays one.
	_, err = h.svc.SetAdmin(h.as(op), op, ann.Email, false)
	h.refused(err, server.ErrInvalid, "last admin")
	_, err = h.svc.SetAdmin(h.as(op), op, server.OperatorEmail, false)
	h.refused(err, server.ErrInvalid, "stays as it is")
	_, err = h.svc.RemoveAccount(h.as(op), op, server.OperatorEmail)
	h.refused(err, server.ErrInvalid, "stays as it is")
	_, err = h.svc.SetAdmin(h.as(ann), ann, "nobody@example.com", true)
	h.refused(err, server.ErrNotFound, "")
	// Two admins who take each other's rights away together leave one.
	_, err = h.svc.SetAdmin(h.as(ann), ann, bob.Email, true)
	h.must(err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed []error
	for _, email := range []string{ann.Email, bob.Email} {
		wg.Go(func() {
			_, err := h.svc.SetAdmin(h.as(op), op, email, false)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = append(failed, err)
			}
		})
	}
	wg.Wait()
	if len(failed) != 1 {
		t.Errorf("%d of two were refused: %v", len(failed), failed)
	}
}

func TestRemoveAccount(t *testing.T) {
	h := newHouse(t)
	op := h.svc.Operator()
	bob, app := h.owner("bob@example.com", "access-bob")
	_, err := h.svc.RemoveAccount(h.as(op), op, bob.Email)
	h.refused(err, server.ErrConflict, "owns apps (access-bob)")
	h.refused(err, server.ErrConflict, "apps:transfer")

	carl := h.person("carl@example.com")
	_, err = h.svc.AddCollaborator(h.as(bob), bob, app.Name, carl.Email, nil)
	h.must(err)
	key := newKey(t)
	k, err := h.svc.AddKey(h.as(carl), carl, key)
	h.must(err)
	secret, _, err := h.svc.Login(h.as(carl), carl)
	h.must(err)
	_, err = h.svc.RemoveAccount(h.as(op), op, carl.Email)
	h.must(err)
	_, err = h.svc.Authenticate(h.ctx, secret)
	h.refused(err, server.ErrUnauthorized, "")
	_, err = h.KeyByFingerprint(h.ctx, k.Fingerprint)
	h.refused(err, server.ErrNotFound, "")
	list, err := h.svc.Collaborators(h.as(bob), bob, app.Name)
	h.must(err)
	if len(list) != 0 {
		t.Errorf("%s has access still", list[0].Email)
	}
	_, err = h.svc.RemoveAccount(h.as(op), op, carl.Email)
	h.refused(err, server.ErrNotFound, "")

	// What still acts for the account gives it nothing.
	for what, do := range map[string]func() error{
		"token": func() error { _, _, err := h.svc.Login(h.as(carl), carl); return err },
		"key":   func() error { _, err := h.svc.AddKey(h.as(carl), carl, newKey(t)); return err },
		"app":   func() error { _, err := h.svc.CreateApp(h.as(carl), carl, "access-late"); return err },
	} {
		if do() == nil {
			t.Errorf("a removed account was given a %s", what)
		}
	}
	// E-mail and key may be used anew, by an account that inherits nothing.
	again, err := h.svc.CreateAccount(h.as(op), op, carl.Email, false, key)
	h.must(err)
	if again.ID == carl.ID || again.Admin {
		t.Errorf("the account came back: %+v", again)
	}
	_, err = h.svc.App(h.ctx, server.Actor{Account: again}, app.Name)
	h.refused(err, server.ErrNotFound, "")
}

func TestCollaborators(t *testing.T) {
	h := newHouse(t)
	ann, app := h.owner("ann2@example.com", "access-shop")
	bob, carl := h.person("bob@example.com"), h.person("carl@example.com")
	add := func(by server.Actor, email string, p ...server.Permission) error {
		_, err := h.svc.AddCollaborator(h.as(by), by, app.Name, email, p)
		return err
	}
	update := func(by server.Actor, email string, p ...server.Permission) error {
		_, err := h.svc.UpdateCollaborator(h.as(by), by, app.Name, email, p)
		return err
	}
	h.refused(add(bob, bob.Email), server.ErrNotFound, "find that app")
	h.refused(add(ann, ann.Email), server.ErrInvalid, "owns access-shop")
	h.refused(add(ann, strings.ToUpper(ann.Email)), server.ErrInvalid, "owns access-shop")
	h.refused(add(ann, "bob@example.com", "root"), server.ErrInvalid, `no permission "root"`)
	h.refused(add(ann, "bob @example.com"), server.ErrInvalid, "is not an e-mail")
	h.refused(add(ann, server.OperatorEmail), server.ErrInvalid, "")
	h.must(add(ann, "BOB@example.com", server.PermManage))
	h.refused(add(ann, bob.Email), server.ErrInvalid, "already")
	h.refused(update(ann, carl.Email, server.PermView), server.ErrNotFound, "collaborator")
	h.refused(update(ann, bob.Email), server.ErrInvalid, "Name the permissions")
	h.refused(update(ann, ann.Email, server.PermView), server.ErrInvalid, "owns")

	// Bob manages: he gives what he has, and nothing more to himself or others.
	h.refused(update(bob, bob.Email, server.PermManage, server.PermDeploy), server.ErrForbidden, "their own access")
	h.refused(add(bob, carl.Email, server.PermDeploy), server.ErrForbidden, `cannot give "deploy"`)
	h.must(add(bob, carl.Email, server.PermView))
	h.refused(add(carl, "dan@example.com", server.PermView), server.ErrForbidden, "manage")
	h.must(update(ann, carl.Email, server.PermDeploy))
	h.must(update(bob, carl.Email, server.PermDeploy, server.PermManage)) // deploy was there
	h.refused(update(bob, carl.Email, server.PermOperate), server.ErrForbidden, `cannot give "operate"`)

	got, err := h.svc.Collaborator(h.as(carl), carl, app.Name, carl.Email)
	h.must(err)
	if fmt.Sprint(got.Permissions) != "[view deploy manage]" {
		t.Errorf("carl has %v", got.Permissions)
	}
	// Everybody may leave; the owner cannot be put out.
	_, err = h.svc.RemoveCollaborator(h.as(carl), carl, app.Name, carl.Email)
	h.must(err)
	_, err = h.svc.RemoveCollaborator(h.as(carl), carl, app.Name, carl.Email)
	h.refused(err, server.ErrNotFound, "find that app")
	_, err = h.svc.RemoveCollaborator(h.as(bob), bob, app.Name, ann.Email)
	h.refused(err, server.ErrInvalid, "owns")
	bob.Scope = []server.Scope{server.ScopeWrite}
	_, err = h.svc.RemoveCollaborator(h.as(bob), bob, app.Name, bob.Email)
	h.refused(err, server.ErrForbidden, "scope")
}

func (h *house) invite(by server.Actor, app, email string, p ...server.Permission) string {
	h.t.Helper()
	g, err := h.svc.AddCollaborator(h.as(by), by, app, email, p)
	h.must(err)
	if g.Code == "" || g.Invitation.Email != email {
		h.t.Fatalf("no invitation: %+v", g)
	}
	return g.Code
}

func TestInvitations(t *testing.T) {
	h := newHouse(t)
	ann, app := h.owner("ann2@example.com", "access-shop")
	const unknown = "not known or has expired"
	join := func(code, key string) (string, error) {
		secret, _, _, err := h.svc.Join(h.ctx, code, key, "192.0.2.1")
		return secret, err
	}
	for _, code := range []string{"", "x", "paasjoin_", "paasjoin_" + strings.Repeat("a", 58), "paas_" + strings.Repeat("a", 58)} {
		_, err := join(code, newKey(t))
		h.refused(err, server.ErrNotFound, unknown)
	}

	// A second invitation replaces the first; a bad or taken key loses nothing.
	first := h.invite(ann, app.Name, "new@example.com")
	code := h.invite(ann, app.Name, "new@example.com", server.PermDeploy)
	_, err := join(first, newKey(t))
	h.refused(err, server.ErrNotFound, unknown)
	taken := newKey(t)
	_, err = h.svc.AddKey(h.as(ann), ann, taken)
	h.must(err)
	_, err = join(code, taken)
	h.refused(err, server.ErrInvalid, "another account")
	_, err = join(code, "junk")
	h.refused(err, server.ErrInvalid, "")
	_, err = h.Account(h.ctx, "new@example.com")
	h.refused(err, server.ErrNotFound, "")
	secret, err := join(code, newKey(t))
	h.must(err)
	who, err := h.svc.Authenticate(h.ctx, secret)
	h.must(err)
	if who.Email != "new@example.com" || who.Admin {
		t.Errorf("joined as %+v", who)
	}
	_, err = h.svc.Repository(h.ctx, who, app.Name, true)
	h.must(err)
	_, err = h.svc.Scale(h.ctx, who, app.Name, nil)
	h.refused(err, server.ErrForbidden, "operate")
	_, err = join(code, newKey(t))
	h.refused(err, server.ErrNotFound, unknown)

	// Revoked, expired.
	code = h.invite(ann, app.Name, "late@example.com")
	_, err = h.svc.RevokeInvitation(h.as(ann), ann, app.Name, "LATE@example.com")
	h.must(err)
	_, err = join(code, newKey(t))
	h.refused(err, server.ErrNotFound, unknown)
	_, err = h.svc.RevokeInvitation(h.as(ann), ann, app.Name, "late@example.com")
	h.refused(err, server.ErrNotFound, "invitation")
	code = h.invite(ann, app.Name, "late@example.com")
	h.sql(`update invitations set expires_at = now() where email = 'late@example.com'`)
	_, err = join(code, newKey(t))
	h.refused(err, server.ErrNotFound, unknown)
}

// An invitation never takes over an account, and counts only while its maker
// may give access.
func TestInvitationIsNoTakeover(t *testing.T) {
	h := newHouse(t)
	ann, app := h.owner("ann2@example.com", "access-shop")
	code := h.invite(ann, app.Name, "bob@example.com", server.PermDeploy)
	bob := h.person("bob@example.com") // meanwhile
	_, _, _, err := h.svc.Join(h.ctx, code, newKey(t), "192.0.2.1")
	h.refused(err, server.ErrConflict, "has an account here already")
	keys, err := h.Keys(h.ctx, bob.ID)
	h.must(err)
	if len(keys) != 0 {
		t.Fatal("the account of another was given a key")
	}
	eve := h.person("eve@example.com")
	_, err = h.svc.JoinAs(h.as(eve), eve, code)
	h.refused(err, server.ErrForbidden, "is for bob@example.com")
	_, err = h.svc.JoinAs(h.as(bob), bob, code)
	h.must(err)
	_, err = h.svc.Repository(h.ctx, bob, app.Name, true)
	h.must(err)
	_, err = h.svc.JoinAs(h.as(bob), bob, code)
	h.refused(err, server.ErrNotFound, "")

	// A manager who is put out takes the invitations along.
	_, err = h.svc.AddCollaborator(h.as(ann), ann, app.Name, eve.Email, []server.Permission{server.PermManage})
	h.must(err)
	code = h.invite(eve, app.Name, "friend@example.com", server.PermManage)
	_, err = h.svc.UpdateCollaborator(h.as(ann), ann, app.Name, eve.Email, []server.Permission{server.PermView})
	h.must(err)
	_, _, _, err = h.svc.Join(h.ctx, code, newKey(t), "192.0.2.1")
	h.refused(err, server.ErrNotFound, "")
	_, err = h.Account(h.ctx, "friend@example.com")
	h.refused(err, server.ErrNotFound, "")
}

func TestTokens(t *testing.T) {
	h := newHouse(t)
	bob := h.person("bob@example.com")
	for _, c := range []struct {
		n    server.NewToken
		says string
	}{
		{server.NewToken{Life: -1}, "admins only"},
		{server.NewToken{Life: 400 * 24 * time.Hour}, "366 days"},
		{server.NewToken{Scope: []server.Scope{"root"}}, `no scope "root"`},
		{server.NewToken{Description: strings.Repeat("x", 201)}, "200 characters"},
		{server.NewToken{Description: "a\x1b[2J"}, "control characters"},
	} {
		_, _, err := h.svc.Authorize(h.as(bob), bob, c.n)
		h.refused(err, server.ErrInvalid, c.says)
	}
	secret, made, err := h.svc.Authorize(h.as(bob), bob, server.NewToken{Description: "ci", Scope: []server.Scope{server.ScopeRead}})
	h.must(err)
	if left := time.Until(made.ExpiresAt); left < 89*24*time.Hour || left > 91*24*time.Hour {
		t.Errorf("it lives for %s", left)
	}
	ci, err := h.svc.Authenticate(h.ctx, secret)
	h.must(err)
	// A token makes none, and sees and ends itself only.
	_, _, err = h.svc.Authorize(h.as(ci), ci, server.NewToken{Scope: []server.Scope{server.ScopeRead}})
	h.refused(err, server.ErrForbidden, "scope")
	self, err := h.svc.Authorization(h.as(ci), ci, "~")
	h.must(err)
	if self.ID != made.ID || self.LastUsedAt.IsZero() {
		t.Errorf("it sees %+v", self)
	}
	login, _, err := h.svc.Login(h.as(bob), bob)
	h.must(err)
	logged, err := h.svc.Authenticate(h.ctx, login)
	h.must(err)
	_, err = h.svc.Revoke(h.as(ci), ci, logged.Token)
	h.refused(err, server.ErrForbidden, "scope")
	// Rotation ends the old secret at once.
	fresh, rotated, err := h.svc.Rotate(h.as(bob), bob, made.ID)
	h.must(err)
	_, err = h.svc.Authenticate(h.ctx, secret)
	h.refused(err, server.ErrUnauthorized, "")
	ci, err = h.svc.Authenticate(h.ctx, fresh)
	h.must(err)
	if rotated.ID != made.ID || fmt.Sprint(ci.Scope) != "[read]" || time.Until(rotated.ExpiresAt) < 89*24*time.Hour {
		t.Errorf("rotated to %+v, scope %v", rotated, ci.Scope)
	}
	// Another's token is not there.
	eve := h.person("eve@example.com")
	for _, err := range []error{second(h.svc.Revoke(h.as(eve), eve, made.ID)), second(h.svc.Authorization(h.as(eve), eve, made.ID))} {
		h.refused(err, server.ErrNotFound, "authorization")
	}
	// SSH commands' tokens are nobody's business; logins are listed.
	_, end, err := h.svc.CommandToken(h.as(bob), bob)
	h.must(err)
	list, err := h.svc.Authorizations(h.as(bob), bob)
	h.must(err)
	if len(list) != 2 || list[0].ID != made.ID || list[1].Kind != server.TokenLogin {
		t.Errorf("listed %+v", list)
	}
	h.must(end(h.ctx))
	_, err = h.svc.Revoke(h.as(ci), ci, "~")
	h.must(err)
	_, err = h.svc.Authenticate(h.ctx, fresh)
	h.refused(err, server.ErrUnauthorized, "")
	// Tokens from before secrets had a checksum stay good.
	old := "paas_" + strings.Repeat("a", 52)
	hash := sha256.Sum256([]byte(old))
	_, err = h.CreateToken(h.ctx, server.Token{AccountID: bob.ID, Hash: hash[:], Kind: server.TokenLogin, ExpiresAt: time.Now().Add(time.Hour)})
	h.must(err)
	_, err = h.svc.Authenticate(h.ctx, old)
	h.must(err)
	// An admin's may live for ever.
	admin := server.Actor{Account: h.user}
	_, eternal, err := h.svc.Authorize(h.as(admin), admin, server.NewToken{Life: -1})
	h.must(err)
	if eternal.Expires() {
		t.Errorf("it expires at %s", eternal.ExpiresAt)
	}
}

func second[T any](_ T, err error) error { return err }

// Tokens are bounded: API tokens by a refusal, logins by ending the oldest.
func TestTokensAreBounded(t *testing.T) {
	h := newHouse(t)
	bob := h.person("bob@example.com")
	var first string
	for i := range 101 {
		secret, _, err := h.svc.Login(h.as(bob), bob)
		h.must(err)
		if i == 0 {
			first = secret
		}
		if _, _, err = h.svc.Authorize(h.as(bob), bob, server.NewToken{}); i < 100 {
			h.must(err)
			continue
		}
		h.refused(err, server.ErrInvalid, "the most an account may have")
	}
	_, err := h.svc.Authenticate(h.ctx, first)
	h.refused(err, server.ErrUnauthorized, "")
}
