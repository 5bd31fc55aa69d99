package server

import (
	"context"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Keys lists an account's SSH keys.
func (s *Service) Keys(ctx context.Context, actor Actor) ([]Key, error) {
	if err := allowAccount(actor); err != nil {
		return nil, err
	}
	return s.store.Keys(ctx, actor.ID)
}

// AddKey registers one of the actor's public keys, one line as in
// authorized_keys. A key proves exactly one account: one that is registered
// elsewhere is refused.
func (s *Service) AddKey(ctx context.Context, actor Actor, authorizedKey string) (Key, error) {
	if err := allowAccount(actor); err != nil {
		return Key{}, err
	}
	k, err := newKey(authorizedKey)
	if err != nil {
		return Key{}, err
	}
	k.AccountID, k.Email = actor.ID, actor.Email
	have, err := s.store.KeyByFingerprint(ctx, k.Fingerprint)
	switch {
	case err == nil && have.AccountID == actor.ID:
		return have, nil
	case err != nil && !IsID(err, ErrNotFound):
		return Key{}, err
	}
	return s.store.CreateKey(ctx, k)
}

// newKey reads a key that belongs to nobody yet.
func newKey(authorizedKey string) (Key, error) {
	pub, comment, err := parseKey(authorizedKey)
	if err != nil {
		return Key{}, err
	}
	return Key{Fingerprint: ssh.FingerprintSHA256(pub), Comment: comment,
		PublicKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub)))}, nil
}

func parseKey(line string) (ssh.PublicKey, string, error) {
	const next = "Make one with: ssh-keygen -t ed25519"
	if strings.Contains(line, "PRIVATE KEY") {
		return nil, "", &Error{ID: ErrInvalid, Message: "That is a private key: keep it to yourself and send the .pub file beside it. Nothing was stored.", Next: next}
	}
	if len(line) > 16<<10 {
		return nil, "", &Error{ID: ErrInvalid, Message: "A public key of more than 16 KB is not accepted.", Next: next}
	}
	pub, comment, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil || len(options) > 0 {
		return nil, "", &Error{ID: ErrInvalid, Message: "That is not an SSH public key (one line like `ssh-ed25519 AAAA… you@host`). Nothing was stored.", Next: next}
	}
	switch pub.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256:
	case ssh.KeyAlgoRSA:
		if bits := rsaBits(pub); bits < 2048 || bits > 8192 {
			return nil, "", &Error{ID: ErrInvalid, Message: "RSA keys must have 2048 to 8192 bits. Nothing was stored.", Next: next}
		}
	default:
		return nil, "", &Error{ID: ErrInvalid, Message: "Keys of type " + pub.Type() + " are not accepted. Nothing was stored.", Next: next}
	}
	if len(comment) > 200 {
		comment = comment[:200]
	}
	return pub, strings.ToValidUTF8(strings.Map(printable, comment), ""), nil
}

func printable(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 {
		return -1
	}
	return r
}

// RemoveKey removes one of the actor's keys by id, fingerprint or comment.
func (s *Service) RemoveKey(ctx context.Context, actor Actor, ident string) (Key, error) {
	if err := allowAccount(actor); err != nil {
		return Key{}, err
	}
	keys, err := s.store.Keys(ctx, actor.ID)
	if err != nil {
		return Key{}, err
	}
	var found []Key
	for _, k := range keys {
		if k.ID == ident || k.Fingerprint == ident || k.Comment == ident {
			found = append(found, k)
		}
	}
	if len(found) == 0 {
		return Key{}, &Error{ID: ErrNotFound, Message: "Couldn't find that key.", Next: "See which there are: paas keys"}
	}
	if len(found) > 1 {
		return Key{}, Errorf(ErrInvalid, "%d keys are called %q: name one by its fingerprint. Nothing was removed.", len(found), ident)
	}
	return found[0], s.store.DeleteKey(ctx, found[0].ID)
}
