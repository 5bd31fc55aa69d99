package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"golang.org/x/crypto/ssh"

	"paas/server"
	"paas/server/api"
	"paas/server/gitd"
)

// pusher is the platform as the git side sees it.
type pusher struct {
	service *server.Service
	store   server.Store
	apiURL  string
	socket  string // the operator's, by which commands over SSH speak to the API
	log     *slog.Logger
}

var _ gitd.Pusher = pusher{}

// KeyOwner finds whom a proven key belongs to.
func (p pusher) KeyOwner(ctx context.Context, publicKey string) (gitd.Identity, error) {
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(publicKey))
	if err != nil {
		return gitd.Identity{}, server.Errorf(server.ErrUnauthorized, "that is not a public key")
	}
	var k server.Key
	// A restart of the database must not read as "Permission denied".
	err = server.Patiently(ctx, 5*time.Second, func() (err error) {
		k, err = p.store.KeyByFingerprint(ctx, ssh.FingerprintSHA256(pub))
		return err
	})
	if err != nil {
		return gitd.Identity{}, err
	}
	return gitd.Identity{AccountID: k.AccountID, Email: k.Email, Fingerprint: k.Fingerprint}, nil
}

// Authorize resolves an app for someone who may see it.
func (p pusher) Authorize(ctx context.Context, by gitd.Identity, app string, write bool) (string, error) {
	actor, err := p.actor(ctx, by)
	if err != nil {
		return "", err
	}
	a, err := p.service.Repository(ctx, actor, app, write)
	return a.ID, err
}

// actor is who a connection proved to be, as it is now.
func (p pusher) actor(ctx context.Context, by gitd.Identity) (server.Actor, error) {
	account, err := p.store.Account(ctx, by.AccountID)
	return server.Actor{Account: account, Via: "ssh", From: by.From}, err
}

// Ready refuses a push that could not be kept.
func (p pusher) Ready(ctx context.Context, _ string) error { return p.service.Ready(ctx) }

// Push deploys.
func (p pusher) Push(ctx context.Context, g gitd.Push, out io.Writer) error {
	// For the audit log; what the pusher may do was decided by Authorize.
	ctx = server.WithActor(ctx, server.Actor{Account: server.Account{ID: g.By.AccountID, Email: g.By.Email}, Via: "ssh", From: g.By.From})
	return p.service.Push(ctx, server.Push{AppID: g.AppID, UserID: g.By.AccountID, Ref: g.Ref, Old: g.Old, Commit: g.New}, out)
}

// Login makes a token for who proved a key.
func (p pusher) Login(ctx context.Context, by gitd.Identity) (any, error) {
	actor, err := p.actor(ctx, by)
	if err != nil {
		return nil, err
	}
	secret, t, err := p.service.Login(server.WithActor(ctx, actor), actor)
	if err != nil {
		return nil, err
	}
	return api.Login{URL: p.apiURL, Token: secret, Email: by.Email, ExpiresAt: t.ExpiresAt}, nil
}
