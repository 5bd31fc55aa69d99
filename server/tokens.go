package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The beginnings of secrets, by which scanners know them.
const (
	tokenPrefix = "paas_"
	codePrefix  = "paasjoin_" // of an invitation
)

// The lives of API tokens.
const (
	DefaultTokenLife = 90 * 24 * time.Hour
	MaxTokenLife     = 366 * 24 * time.Hour
)

// secretChars is the length of 32 random bytes and 4 of checksum in base32.
const secretChars = 58

func secretEncoding() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

// newSecret makes a secret: its prefix, then 32 random bytes and a CRC-32 of
// all of it. The checksum lets a scanner of leaked secrets tell ours from
// anything that only looks like one, and us refuse a mistyped one unasked.
func newSecret(prefix string) string {
	raw := make([]byte, 32, 36)
	rand.Read(raw)
	return prefix + secretEncoding().EncodeToString(append(raw, checksum(prefix, raw)...))
}

func checksum(prefix string, raw []byte) []byte {
	return binary.BigEndian.AppendUint32(nil, crc32.Update(crc32.ChecksumIEEE([]byte(prefix)), crc32.IEEETable, raw))
}

// mistyped says that a secret has our form and a checksum that is wrong.
// Tokens of older installations have no checksum, and are shorter.
func mistyped(prefix, secret string) bool {
	body, ok := strings.CutPrefix(secret, prefix)
	if !ok || len(body) != secretChars {
		return false
	}
	raw, err := secretEncoding().DecodeString(body)
	return err != nil || string(raw[32:]) != string(checksum(prefix, raw[:32]))
}

func hashOf(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// allowAccount says why a credential may not be used for what belongs to an
// account and no app (keys, tokens, other accounts, new apps), or nil. It is
// what app and appToRead are for apps: each use case without an app begins
// with it. Without scopes only a credential for everything will do.
func allowAccount(actor Actor, scopes ...Scope) error {
	if actor.has(scopes...) {
		return nil
	}
	return &Error{ID: ErrForbidden, Message: "This token's scope does not cover that. Nothing was changed.",
		Next: "Make one that does: paas authorizations:create -s global"}
}

// allowAdmin is allowAccount for what only admins may do.
func allowAdmin(actor Actor, what string) error {
	if !actor.Admin {
		return Errorf(ErrForbidden, "Only an admin may %s. Nothing was changed.", what)
	}
	return allowAccount(actor)
}

// Login makes a token for who proved a key; the secret is shown this once.
func (s *Service) Login(ctx context.Context, actor Actor) (string, Token, error) {
	if err := allowAccount(actor); err != nil {
		return "", Token{}, err
	}
	secret, t := s.newLogin(actor)
	t, err := s.store.CreateToken(ctx, t)
	return secret, t, err
}

func (s *Service) newLogin(actor Actor) (string, Token) {
	about := "paas login"
	if actor.From != "" {
		about += " from " + actor.From
	}
	secret := newSecret(tokenPrefix)
	return secret, Token{AccountID: actor.ID, Hash: hashOf(secret), Description: about, Kind: TokenLogin, ExpiresAt: time.Now().Add(s.cfg.TokenLife)}
}

// Authenticate finds whose a token's secret is, and what it may be used for.
func (s *Service) Authenticate(ctx context.Context, secret string) (Actor, error) {
	unknown := &Error{ID: ErrUnauthorized, Message: "The token is not known or has expired.", Next: "Log in: paas login"}
	if mistyped(tokenPrefix, secret) {
		return Actor{}, unknown
	}
	a, t, err := s.store.AccountByToken(ctx, hashOf(secret))
	if IsID(err, ErrNotFound) {
		return Actor{}, unknown
	}
	if err != nil {
		return Actor{}, err
	}
	actor := Actor{Account: a, Scope: t.Scope, Token: t.ID, Via: "api"}
	if t.Kind == TokenSSH {
		// The request comes from our own SSH server, which described the token
		// by where its client is.
		actor.Via, actor.From = "ssh", t.Description
	}
	return actor, nil
}

// actorNow is an actor as it is now, for what lasts: an admin may have become
// none, and an account or token that is gone is unauthorized.
func (s *Service) actorNow(ctx context.Context, actor Actor) (Actor, error) {
	account, err := s.store.Account(ctx, actor.ID)
	if IsID(err, ErrNotFound) {
		return actor, Errorf(ErrUnauthorized, "The account %s is no more.", actor.Email)
	}
	if err != nil {
		return actor, err
	}
	actor.Account = account
	if actor.Session != "" {
		lives, err := s.store.WebSessionLives(ctx, actor.Session)
		if err == nil && !lives {
			err = signedOut()
		}
		return actor, err
	}
	if actor.Token == "" {
		return actor, nil
	}
	lives, err := s.store.TokenLives(ctx, actor.Token)
	if err == nil && !lives {
		err = &Error{ID: ErrUnauthorized, Message: "The token was revoked or has expired.", Next: "Log in: paas login"}
	}
	return actor, err
}

// Authorizations lists the account's logins and API tokens.
func (s *Service) Authorizations(ctx context.Context, actor Actor) ([]Token, error) {
	if err := allowAccount(actor); err != nil {
		return nil, err
	}
	return s.store.Tokens(ctx, actor.ID)
}

// Authorization finds one of them by id; "~" is the one that asks.
func (s *Service) Authorization(ctx context.Context, actor Actor, id string) (Token, error) {
	own := actor.Token != "" && (id == "~" || id == actor.Token)
	if !own {
		if err := allowAccount(actor); err != nil {
			return Token{}, err
		}
	}
	if id == "~" {
		id = actor.Token
	}
	list, err := s.store.Tokens(ctx, actor.ID)
	if err != nil {
		return Token{}, err
	}
	i := slices.IndexFunc(list, func(t Token) bool { return t.ID == id })
	if i < 0 {
		return Token{}, &Error{ID: ErrNotFound, Message: "Couldn't find that authorization. Nothing was changed.", Next: "See which there are: paas authorizations"}
	}
	return list[i], nil
}

// NewToken is what an API token is made with.
type NewToken struct {
	Description string
	Scope       []Scope       // empty: everything
	Life        time.Duration // 0: 90 days; below 0: for ever, for admins
}

// Authorize makes an API token; its secret is shown this once.
func (s *Service) Authorize(ctx context.Context, actor Actor, n NewToken) (string, Token, error) {
	if err := allowAccount(actor); err != nil {
		return "", Token{}, err
	}
	if err := n.check(actor); err != nil {
		return "", Token{}, err
	}
	secret := newSecret(tokenPrefix)
	t, err := s.store.CreateToken(ctx, Token{AccountID: actor.ID, Hash: hashOf(secret), Description: n.Description,
		Kind: TokenAPI, Scope: n.Scope, ExpiresAt: n.expiry()})
	return secret, t, err
}

func (n NewToken) check(actor Actor) error {
	const none = " No token was made."
	switch {
	case utf8.RuneCountInString(n.Description) > 200 || strings.ContainsFunc(n.Description, func(r rune) bool { return printable(r) < 0 }):
		return Errorf(ErrInvalid, "A description has at most 200 characters, none of them control characters."+none)
	case n.Life < 0 && !actor.Admin:
		return Errorf(ErrInvalid, "A token that never expires can be made by admins only; the longest life is %d days."+none, MaxTokenLife/(24*time.Hour))
	case n.Life > MaxTokenLife:
		return Errorf(ErrInvalid, "A token lives for at most %d days (%d seconds)."+none, MaxTokenLife/(24*time.Hour), MaxTokenLife/time.Second)
	}
	for _, sc := range n.Scope {
		if !slices.Contains([]Scope{ScopeGlobal, ScopeRead, ScopeWrite, ScopeIdentity}, sc) {
			return Errorf(ErrInvalid, "There is no scope %q; there are global, read, write and identity."+none, sc)
		}
	}
	return nil
}

// never is the expiry of tokens that have none.
func never() time.Time { return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) }

// Expires says whether a token does.
func (t Token) Expires() bool { return t.ExpiresAt.Before(never()) }

func (n NewToken) expiry() time.Time {
	switch {
	case n.Life < 0:
		return never()
	case n.Life == 0:
		n.Life = DefaultTokenLife
	}
	return time.Now().Add(n.Life)
}

// Revoke ends a token; "~" is the one that asks, which needs no scope.
func (s *Service) Revoke(ctx context.Context, actor Actor, id string) (Token, error) {
	t, err := s.Authorization(ctx, actor, id)
	if err != nil {
		return t, err
	}
	return s.store.RevokeToken(ctx, actor.ID, t.ID)
}

// Rotate gives a token a new secret, shown this once, for as long again as it
// was made for; the old one ends at once.
func (s *Service) Rotate(ctx context.Context, actor Actor, id string) (string, Token, error) {
	if err := allowAccount(actor); err != nil {
		return "", Token{}, err
	}
	t, err := s.Authorization(ctx, actor, id)
	if err != nil {
		return "", t, err
	}
	if t.Expires() {
		t.ExpiresAt = time.Now().Add(min(t.ExpiresAt.Sub(t.UpdatedAt), MaxTokenLife))
	}
	secret := newSecret(tokenPrefix)
	t.Hash = hashOf(secret)
	t, err = s.store.RotateToken(ctx, t)
	return secret, t, err
}
