// Package passkey signs people in to the dashboard by what their devices keep
// for them (WebAuthn). It checks signatures; who may do what is decided by the
// platform's use cases.
package passkey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"paas/server"
)

// The kinds of challenge.
const (
	toAdd    = "passkey-add"
	toSignIn = "passkey"
)

// Services is what it asks of the platform.
type Services interface {
	KeepChallenge(ctx context.Context, kind string, data []byte, from string) (ticket string, err error)
	TakeChallenge(ctx context.Context, kind, ticket string) ([]byte, error)
	Keys
}

// Keys keeps passkeys and lets in by them.
type Keys interface {
	Passkeys(ctx context.Context, actor server.Actor) ([]server.Passkey, error)
	AddPasskey(ctx context.Context, actor server.Actor, p server.Passkey) (server.Passkey, error)
	Passkey(ctx context.Context, credential []byte) (server.Account, server.Passkey, error)
	SignInByPasskey(ctx context.Context, p server.Passkey, before uint32, from, agent string) (string, server.WebSession, error)
	SignInRefused(ctx context.Context, how, from string, why error)
}

var _ Services = (*server.Service)(nil)

// Door begins and ends both ceremonies.
type Door struct {
	lib *webauthn.WebAuthn
	svc Services
	log *slog.Logger
}

// New makes the door of the dashboard at origin ("https://paas.example.com"),
// whose host name is what passkeys are bound to.
func New(origin, host string, svc Services, log *slog.Logger) (*Door, error) {
	lib, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: "paas " + host, RPOrigins: []string{origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationPreferred,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys of %s: %w", origin, err)
	}
	return &Door{lib: lib, svc: svc, log: log}, nil
}

// person is an account as the library wants it. What a device keeps of it is
// the bytes of its id, which tell nothing.
type person struct {
	account server.Account
	keys    []webauthn.Credential
}

func (p person) WebAuthnID() []byte                         { return handleOf(p.account) }
func (p person) WebAuthnName() string                       { return p.account.Email }
func (p person) WebAuthnDisplayName() string                { return p.account.Email }
func (p person) WebAuthnCredentials() []webauthn.Credential { return p.keys }

func handleOf(a server.Account) []byte {
	id, err := uuid.Parse(a.ID)
	if err != nil {
		return []byte(a.ID)
	}
	return id[:]
}

// BeginAdd gives what the browser asks a device of a person who is signed in,
// and the ticket to come back with. Devices that have a passkey of the account
// make no second one.
func (d *Door) BeginAdd(ctx context.Context, actor server.Actor) (options json.RawMessage, ticket string, err error) {
	have, err := d.svc.Passkeys(ctx, actor)
	if err != nil {
		return nil, "", err
	}
	known := make([]protocol.CredentialDescriptor, 0, len(have))
	for _, p := range have {
		known = append(known, protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: p.Credential})
	}
	creation, asked, err := d.lib.BeginRegistration(person{account: actor.Account}, webauthn.WithExclusions(known))
	if err != nil {
		return nil, "", fmt.Errorf("begin to add a passkey: %w", err)
	}
	return d.keep(ctx, toAdd, creation.Response, asked, actor.From)
}

// FinishAdd checks what a device answered and gives the account its key.
func (d *Door) FinishAdd(ctx context.Context, actor server.Actor, ticket, name string, answer []byte) (server.Passkey, error) {
	refused := server.Errorf(server.ErrInvalid, "What your device answered is not right. No passkey was added.")
	asked, err := d.take(ctx, toAdd, ticket)
	if err != nil {
		return server.Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return server.Passkey{}, d.because(refused, err)
	}
	key, err := d.lib.CreateCredential(person{account: actor.Account}, asked, parsed)
	if err != nil {
		return server.Passkey{}, d.because(refused, err)
	}
	record, err := json.Marshal(key)
	if err != nil {
		return server.Passkey{}, fmt.Errorf("keep a passkey: %w", err)
	}
	return d.svc.AddPasskey(ctx, actor, server.Passkey{Credential: key.ID, Record: record, SignCount: key.Authenticator.SignCount, Name: name})
}

// BeginSignIn gives what the browser asks the devices of whoever is there.
func (d *Door) BeginSignIn(ctx context.Context, from string) (options json.RawMessage, ticket string, err error) {
	assertion, asked, err := d.lib.BeginDiscoverableLogin()
	if err != nil {
		return nil, "", fmt.Errorf("begin to sign in by a passkey: %w", err)
	}
	return d.keep(ctx, toSignIn, assertion.Response, asked, from)
}

// FinishSignIn checks a device's signature and begins a session of the account
// it belongs to; secret is the session's.
func (d *Door) FinishSignIn(ctx context.Context, ticket string, answer []byte, from, agent string) (secret string, ws server.WebSession, err error) {
	asked, err := d.take(ctx, toSignIn, ticket)
	if err != nil {
		return "", ws, err
	}
	p, before, err := d.proven(ctx, asked, answer)
	if err != nil {
		d.svc.SignInRefused(ctx, "passkey", from, err)
		return "", ws, err
	}
	return d.svc.SignInByPasskey(ctx, p, before, from, agent)
}

// proven is the passkey whose signature the answer holds, as it is now, with
// the count that it had.
func (d *Door) proven(ctx context.Context, asked webauthn.SessionData, answer []byte) (p server.Passkey, before uint32, err error) {
	refused := server.Errorf(server.ErrForbidden, "What your device answered is not right. Nobody was signed in.")
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return p, 0, d.because(refused, err)
	}
	owner, p, err := d.svc.Passkey(ctx, parsed.RawID)
	if err != nil {
		return p, 0, err
	}
	var have webauthn.Credential
	if err := json.Unmarshal(p.Record, &have); err != nil {
		return p, 0, fmt.Errorf("read passkey %s: %w", p.ID, err)
	}
	have.Authenticator.SignCount = p.SignCount
	key, err := d.lib.ValidateDiscoverableLogin(func(_, handle []byte) (webauthn.User, error) {
		if !bytes.Equal(handle, handleOf(owner)) {
			return nil, errors.New("the passkey is another account's")
		}
		return person{account: owner, keys: []webauthn.Credential{have}}, nil
	}, asked, parsed)
	if err != nil {
		return p, 0, d.because(refused, err)
	}
	before, p.SignCount = p.SignCount, parsed.Response.AuthenticatorData.Counter
	p.Record, err = json.Marshal(key)
	return p, before, err
}

// because notes the detail of what people are told in fewer words.
func (d *Door) because(told *server.Error, err error) error {
	var e *protocol.Error
	if errors.As(err, &e) && e.DevInfo != "" {
		err = fmt.Errorf("%w (%s)", err, e.DevInfo)
	}
	d.log.Debug("a passkey was refused", "err", err)
	return told
}

func (d *Door) keep(ctx context.Context, kind string, options any, asked *webauthn.SessionData, from string) (json.RawMessage, string, error) {
	data, err := json.Marshal(asked)
	if err != nil {
		return nil, "", fmt.Errorf("keep a challenge: %w", err)
	}
	out, err := json.Marshal(options)
	if err != nil {
		return nil, "", fmt.Errorf("spell a challenge: %w", err)
	}
	ticket, err := d.svc.KeepChallenge(ctx, kind, data, from)
	return out, ticket, err
}

func (d *Door) take(ctx context.Context, kind, ticket string) (asked webauthn.SessionData, err error) {
	data, err := d.svc.TakeChallenge(ctx, kind, ticket)
	if err != nil {
		return asked, err
	}
	if err := json.Unmarshal(data, &asked); err != nil {
		return asked, fmt.Errorf("read a challenge: %w", err)
	}
	return asked, nil
}
