package server

import (
	"context"
	"time"
)

// commandTokenLife bounds a token whose command's end was not seen, because
// the server died under it. Nobody has its secret then.
const commandTokenLife = 24 * time.Hour

// CommandToken makes the credential of one command over SSH, for whom a key
// has proven: it can do everything that the account can, and its description
// is the address the command came from, which Authenticate gives to the audit
// log. revoke ends it.
func (s *Service) CommandToken(ctx context.Context, actor Actor) (secret string, revoke func(context.Context) error, err error) {
	if err := allowAccount(actor); err != nil {
		return "", nil, err
	}
	secret = newSecret(tokenPrefix)
	t := Token{AccountID: actor.ID, Hash: hashOf(secret), Description: actor.From, Kind: TokenSSH, ExpiresAt: time.Now().Add(commandTokenLife)}
	err = Patiently(ctx, patience, func() (err error) { t, err = s.store.CreateToken(ctx, t); return err })
	if err != nil {
		return "", nil, err
	}
	return secret, func(ctx context.Context) error {
		_, err := s.store.RevokeToken(ctx, t.AccountID, t.ID)
		return err
	}, nil
}
