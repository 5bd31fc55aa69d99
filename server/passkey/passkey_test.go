package passkey_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"paas/server"
	"paas/server/passkey"
)

const (
	origin = "https://paas.example.com"
	host   = "paas.example.com"
)

// device makes and uses passkeys as a person's would, and lies where told.
type device struct {
	t       *testing.T
	key     *ecdsa.PrivateKey
	id      []byte
	handle  []byte
	count   uint32
	origin  string
	host    string
	flags   byte // user present, user verified
	purpose string
}

func newDevice(t *testing.T) *device {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return &device{t: t, key: k, id: []byte(rand.Text()), count: 1, origin: origin, host: host, flags: 0x05}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// client is what the browser signs along: its origin and the question.
func (d *device) client(kind, challenge string) []byte {
	if d.purpose != "" {
		kind = d.purpose
	}
	b, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": d.origin, "crossOrigin": false})
	must(d.t, err)
	return b
}

func (d *device) data(flags byte) []byte {
	sum := sha256.Sum256([]byte(d.host))
	return binary.BigEndian.AppendUint32(append(sum[:], flags), d.count)
}

// create answers the options of a passkey to be made.
func (d *device) create(options json.RawMessage) []byte {
	d.t.Helper()
	var o struct {
		Challenge string
		User      struct{ ID string }
	}
	must(d.t, json.Unmarshal(options, &o))
	var err error
	d.handle, err = base64.RawURLEncoding.DecodeString(o.User.ID)
	must(d.t, err)
	point, err := d.key.PublicKey.Bytes()
	must(d.t, err)
	public, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	must(d.t, err)
	data := append(d.data(d.flags|0x40), make([]byte, 16)...)
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(d.id))), d.id...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": append(data, public...)})
	must(d.t, err)
	return d.answer(map[string]any{"clientDataJSON": b64(d.client("webauthn.create", o.Challenge)), "attestationObject": b64(object)})
}

// get answers the options of a sign-in.
func (d *device) get(options json.RawMessage) []byte {
	d.t.Helper()
	var o struct{ Challenge string }
	must(d.t, json.Unmarshal(options, &o))
	client, data := d.client("webauthn.get", o.Challenge), d.data(d.flags)
	said := sha256.Sum256(client)
	sum := sha256.Sum256(append(slices.Clone(data), said[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, d.key, sum[:])
	must(d.t, err)
	return d.answer(map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(sig), "userHandle": b64(d.handle)})
}

func (d *device) answer(response map[string]any) []byte {
	b, err := json.Marshal(map[string]any{"id": b64(d.id), "rawId": b64(d.id), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{}})
	must(d.t, err)
	return b
}

// house keeps passkeys in memory.
type house struct {
	kept    map[string][]byte
	keys    []server.Passkey
	people  map[string]server.Account
	in      []string
	refused []string
}

func (h *house) KeepChallenge(_ context.Context, kind string, data []byte, _ string) (string, error) {
	ticket := kind + " " + rand.Text()
	h.kept[ticket] = data
	return ticket, nil
}

func (h *house) TakeChallenge(_ context.Context, kind, ticket string) ([]byte, error) {
	data, ok := h.kept[ticket]
	delete(h.kept, ticket)
	if !ok || !strings.HasPrefix(ticket, kind+" ") {
		return nil, server.Errorf(server.ErrInvalid, "too late")
	}
	return data, nil
}

func (h *house) Passkeys(_ context.Context, a server.Actor) ([]server.Passkey, error) {
	var own []server.Passkey
	for _, p := range h.keys {
		if p.AccountID == a.ID {
			own = append(own, p)
		}
	}
	return own, nil
}

func (h *house) AddPasskey(_ context.Context, a server.Actor, p server.Passkey) (server.Passkey, error) {
	p.AccountID = a.ID
	h.keys, h.people[a.ID] = append(h.keys, p), a.Account
	return p, nil
}

func (h *house) Passkey(_ context.Context, id []byte) (server.Account, server.Passkey, error) {
	for _, p := range h.keys {
		if string(p.Credential) == string(id) {
			return h.people[p.AccountID], p, nil
		}
	}
	return server.Account{}, server.Passkey{}, server.Errorf(server.ErrNotFound, "not known")
}

func (h *house) SignInByPasskey(_ context.Context, p server.Passkey, before uint32, _, _ string) (string, server.WebSession, error) {
	if p.SignCount <= before {
		return "", server.WebSession{}, server.Errorf(server.ErrForbidden, "went back")
	}
	for i := range h.keys {
		if string(h.keys[i].Credential) == string(p.Credential) {
			h.keys[i] = p
		}
	}
	h.in = append(h.in, h.people[p.AccountID].Email)
	return "secret", server.WebSession{}, nil
}

func (h *house) SignInRefused(_ context.Context, _, _ string, why error) {
	h.refused = append(h.refused, why.Error())
}

func person(n string) server.Actor {
	return server.Actor{Account: server.Account{ID: "00000000-0000-4000-8000-00000000000" + n, Email: n + "@example.com"}}
}

func open(t *testing.T) (*passkey.Door, *house) {
	t.Helper()
	h := &house{kept: map[string][]byte{}, people: map[string]server.Account{}}
	d, err := passkey.New(origin, host, h, slog.New(slog.DiscardHandler))
	must(t, err)
	return d, h
}

func add(t *testing.T, d *passkey.Door, who server.Actor, dev *device) error {
	t.Helper()
	options, ticket, err := d.BeginAdd(t.Context(), who)
	must(t, err)
	_, err = d.FinishAdd(t.Context(), who, ticket, "laptop", dev.create(options))
	return err
}

func TestAddAndSignIn(t *testing.T) {
	d, h := open(t)
	dev := newDevice(t)
	must(t, add(t, d, person("1"), dev))
	for range 2 {
		dev.count++
		options, ticket, err := d.BeginSignIn(t.Context(), "192.0.2.1")
		must(t, err)
		if strings.Contains(string(options), "allowCredentials") {
			t.Errorf("it tells whose passkeys there are: %s", options)
		}
		answer := dev.get(options)
		secret, _, err := d.FinishSignIn(t.Context(), ticket, answer, "192.0.2.1", "")
		if err != nil || secret != "secret" {
			t.Fatal(err)
		}
		if _, _, err := d.FinishSignIn(t.Context(), ticket, answer, "192.0.2.1", ""); !server.IsID(err, server.ErrInvalid) {
			t.Errorf("the same answer twice: %v", err)
		}
	}
	if len(h.in) != 2 || h.in[0] != "1@example.com" || h.keys[0].SignCount != dev.count {
		t.Errorf("in: %v, count %d", h.in, h.keys[0].SignCount)
	}
	if options, _, err := d.BeginAdd(t.Context(), person("1")); err != nil || !strings.Contains(string(options), b64(dev.id)) {
		t.Errorf("a device is not told that it has one: %s %v", options, err)
	}
}

// What is not a signature of this passkey to this question on this page lets
// nobody in, and is written down.
func TestSignInRefused(t *testing.T) {
	for label, lie := range map[string]func(*passkey.Door, *house, *device, *string, json.RawMessage) json.RawMessage{
		"another origin": func(_ *passkey.Door, _ *house, dev *device, _ *string, o json.RawMessage) json.RawMessage {
			dev.origin = "https://shop.example.com"
			return o
		},
		"plain HTTP": func(_ *passkey.Door, _ *house, dev *device, _ *string, o json.RawMessage) json.RawMessage {
			dev.origin = "http://paas.example.com"
			return o
		},
		"another host": func(_ *passkey.Door, _ *house, dev *device, _ *string, o json.RawMessage) json.RawMessage {
			dev.host = "example.com"
			return o
		},
		"another question": func(d *passkey.Door, _ *house, dev *device, _ *string, _ json.RawMessage) json.RawMessage {
			o, _, err := d.BeginSignIn(t.Context(), "")
			must(t, err)
			return o
		},
		"another person's handle": func(_ *passkey.Door, _ *house, dev *device, _ *string, o json.RawMessage) json.RawMessage {
			dev.handle[15] = 2
			return o
		},
		"no handle": func(_ *passkey.Door, _ *house, dev *device, _ *string, o json.RawMessage) json.RawMessage {
			dev.handle = nil
			return o
		},
		"another key": func(_ *passkey.Door, _ *house, dev *device, _ *string, o json.RawMessage) json.RawMessage {
			dev.key = newDevice(dev.t).key
			return o
		},
		"nobody there": func(_ *passkey.Door, _ *house, dev *device, _ *string, o json.RawMessage) json.RawMessage {
			dev.flags = 0
			return o
		},
		"a creation": func(_ *passkey.Door, _ *house, dev *device, _ *string, o json.RawMessage) json.RawMessage {
			dev.purpose = "webauthn.create"
			return o
		},
		"an unknown passkey": func(_ *passkey.Door, h *house, _ *device, _ *string, o json.RawMessage) json.RawMessage {
			h.keys = nil
			return o
		},
		"a counter that went back": func(_ *passkey.Door, _ *house, dev *device, _ *string, o json.RawMessage) json.RawMessage {
			dev.count -= 2
			return o
		},
		"a ticket for adding": func(d *passkey.Door, _ *house, _ *device, ticket *string, _ json.RawMessage) json.RawMessage {
			o, other, err := d.BeginAdd(t.Context(), person("1"))
			must(t, err)
			*ticket = other
			return o
		},
	} {
		t.Run(label, func(t *testing.T) {
			d, h := open(t)
			dev := newDevice(t)
			must(t, add(t, d, person("1"), dev))
			dev.count++
			options, ticket, err := d.BeginSignIn(t.Context(), "192.0.2.1")
			must(t, err)
			options = lie(d, h, dev, &ticket, options)
			secret, _, err := d.FinishSignIn(t.Context(), ticket, dev.get(options), "192.0.2.1", "")
			if err == nil || secret != "" || len(h.in) != 0 {
				t.Fatalf("let in: %v", err)
			}
			if len(h.refused) != 1 && label != "a counter that went back" && label != "a ticket for adding" {
				t.Errorf("written down: %q", h.refused)
			}
		})
	}
}

func TestAddRefused(t *testing.T) {
	for label, lie := range map[string]func(*device){
		"another origin": func(dev *device) { dev.origin = "https://shop.example.com" },
		"another host":   func(dev *device) { dev.host = "example.com" },
		"a sign-in":      func(dev *device) { dev.purpose = "webauthn.get" },
		"nobody there":   func(dev *device) { dev.flags = 0 },
	} {
		d, h := open(t)
		dev := newDevice(t)
		lie(dev)
		if err := add(t, d, person("1"), dev); err == nil || len(h.keys) != 0 {
			t.Errorf("%s: added: %v", label, err)
		}
	}
	d, h := open(t)
	dev := newDevice(t)
	options, ticket, err := d.BeginAdd(t.Context(), person("1"))
	must(t, err)
	if _, err := d.FinishAdd(t.Context(), person("2"), ticket, "", dev.create(options)); err == nil || len(h.keys) != 0 {
		t.Errorf("another person finished it: %v", err)
	}
}

func FuzzAnswers(f *testing.F) {
	for _, s := range []string{"", "{}", "null", `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		d, h := open(t)
		_, ticket, err := d.BeginSignIn(t.Context(), "")
		must(t, err)
		if _, _, err := d.FinishSignIn(t.Context(), ticket, answer, "", ""); err == nil {
			t.Error("signed in")
		}
		_, ticket, err = d.BeginAdd(t.Context(), person("1"))
		must(t, err)
		if _, err := d.FinishAdd(t.Context(), person("1"), ticket, "", answer); err == nil || len(h.keys) > 0 {
			t.Error("added")
		}
	})
}
