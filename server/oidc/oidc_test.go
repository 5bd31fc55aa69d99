package oidc_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"paas/server"
	"paas/server/oidc"
)

// provider is an OpenID Connect provider that always lets ann in, and can be
// told to lie.
type provider struct {
	*httptest.Server
	t     *testing.T
	keys  map[jose.SignatureAlgorithm]any
	alg   jose.SignatureAlgorithm
	codes map[string]url.Values // what was asked, by code

	claims func(map[string]any) // changes what it says
	sign   func(alg jose.SignatureAlgorithm, body []byte) string
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{t: t, keys: map[jose.SignatureAlgorithm]any{}, alg: jose.RS256, codes: map[string]url.Values{}}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	p.keys[jose.RS256], p.keys[jose.ES256] = r, e
	p.sign = p.signed
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.json(w, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256", "ES256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.json(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: r.Public(), KeyID: "RS256", Algorithm: "RS256", Use: "sig"}, {Key: e.Public(), KeyID: "ES256", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// visit is a browser at the provider: it gives the code that it comes back with.
func (p *provider) visit(to string) (state, code string) {
	p.t.Helper()
	u, err := url.Parse(to)
	must(p.t, err)
	q := u.Query()
	if !strings.HasPrefix(to, p.URL+"/authorize?") || q.Get("response_type") != "code" || q.Get("client_id") != "paas" || q.Get("code_challenge_method") != "S256" ||
		q.Get("redirect_uri") != "https://paas.example.com/back" || !strings.Contains(q.Get("scope"), "openid") || len(q.Get("state")) < 20 || len(q.Get("nonce")) < 20 {
		p.t.Fatalf("the browser was sent to %s", to)
	}
	code = rand.Text()
	p.codes[code] = q
	return q.Get("state"), code
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	asked, ok := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	id, secret, _ := r.BasicAuth()
	if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") || id != "paas" || secret != "s3cret" {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	claims := map[string]any{"iss": p.URL, "aud": "paas", "sub": "ann-1", "email": "ann@example.com", "email_verified": true,
		"nonce": asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	if p.claims != nil {
		p.claims(claims)
	}
	body, err := json.Marshal(claims)
	must(p.t, err)
	p.json(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": p.sign(p.alg, body)})
}

func (p *provider) signed(alg jose.SignatureAlgorithm, body []byte) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: p.keys[alg]}, (&jose.SignerOptions{}).WithHeader("kid", string(alg)))
	must(p.t, err)
	j, err := s.Sign(body)
	must(p.t, err)
	out, err := j.CompactSerialize()
	must(p.t, err)
	return out
}

// house lets in whom it is told of.
type house struct {
	kept    map[string][]byte
	in      []server.Identity
	refused []string
}

func (h *house) KeepChallenge(_ context.Context, kind string, data []byte, _ string) (string, error) {
	ticket := kind + rand.Text()
	h.kept[ticket] = data
	return ticket, nil
}

func (h *house) TakeChallenge(_ context.Context, kind, ticket string) ([]byte, error) {
	data, ok := h.kept[ticket]
	delete(h.kept, ticket)
	if !ok || !strings.HasPrefix(ticket, kind) {
		return nil, server.Errorf(server.ErrInvalid, "too late")
	}
	return data, nil
}

func (h *house) SignInByIdentity(_ context.Context, i server.Identity, from, agent string) (string, server.WebSession, error) {
	h.in = append(h.in, i)
	return "secret", server.WebSession{From: from, Agent: agent}, nil
}

func (h *house) SignInRefused(_ context.Context, how, _ string, why error) {
	h.refused = append(h.refused, how+": "+why.Error())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, p *provider) (*oidc.Door, *house, *bytes.Buffer) {
	t.Helper()
	h, log := &house{kept: map[string][]byte{}}, &bytes.Buffer{}
	d, err := oidc.New(oidc.Config{Issuer: p.URL, ClientID: "paas", ClientSecret: "s3cret", RedirectURL: "https://paas.example.com/back", Client: p.Client()},
		h, slog.New(slog.NewTextHandler(log, nil)))
	must(t, err)
	return d, h, log
}

func TestSignIn(t *testing.T) {
	p := newProvider(t)
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.ES256} {
		p.alg = alg
		d, h, log := open(t, p)
		to, ticket, err := d.Begin(t.Context(), "/apps/shop", "192.0.2.1")
		must(t, err)
		state, code := p.visit(to)
		back := server.ProviderAnswer{Ticket: ticket, State: state, Code: code}
		secret, next, ws, err := d.Finish(t.Context(), back, "192.0.2.1", "Firefox")
		must(t, err)
		want := server.Identity{Issuer: p.URL, Subject: "ann-1", Email: "ann@example.com", Verified: true}
		if secret != "secret" || next != "/apps/shop" || ws.From != "192.0.2.1" || ws.Agent != "Firefox" || len(h.in) != 1 || h.in[0] != want {
			t.Errorf("%s: %q %q %+v %+v", alg, secret, next, ws, h.in)
		}
		if _, _, _, err := d.Finish(t.Context(), back, "192.0.2.1", "Firefox"); !server.IsID(err, server.ErrInvalid) {
			t.Errorf("%s: the second time: %v", alg, err)
		}
		if strings.Contains(to+log.String(), "s3cret") {
			t.Error("the client's secret is told")
		}
	}
}

// Whatever is not the provider's word to this browser's question lets nobody in.
func TestRefused(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	set := func(name string, value any) func(*provider, *server.ProviderAnswer) {
		return func(p *provider, _ *server.ProviderAnswer) {
			p.claims = func(c map[string]any) { c[name] = value }
		}
	}
	for label, lie := range map[string]func(*provider, *server.ProviderAnswer){
		"another state":    func(_ *provider, a *server.ProviderAnswer) { a.State = "x" },
		"no state":         func(_ *provider, a *server.ProviderAnswer) { a.State = "" },
		"another code":     func(_ *provider, a *server.ProviderAnswer) { a.Code = "x" },
		"no ticket":        func(_ *provider, a *server.ProviderAnswer) { a.Ticket = "" },
		"an error":         func(_ *provider, a *server.ProviderAnswer) { a.Error = "access_denied\x1b[31m" },
		"another nonce":    set("nonce", "x"),
		"no nonce":         set("nonce", ""),
		"another audience": set("aud", "somebody"),
		"another issuer":   set("iss", "https://evil.example.com"),
		"an old word":      set("exp", time.Now().Add(-time.Hour).Unix()),
		"another key": func(p *provider, _ *server.ProviderAnswer) {
			p.sign = func(_ jose.SignatureAlgorithm, body []byte) string {
				p.keys[jose.ES256] = other
				return p.signed(jose.ES256, body)
			}
		},
		"no signature": func(p *provider, _ *server.ProviderAnswer) {
			p.sign = func(_ jose.SignatureAlgorithm, body []byte) string {
				return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(body) + "."
			}
		},
		"signed with the client's secret": func(p *provider, _ *server.ProviderAnswer) {
			p.sign = func(_ jose.SignatureAlgorithm, body []byte) string {
				s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: bytes.Repeat([]byte("s3cret"), 6)}, nil)
				must(p.t, err)
				j, err := s.Sign(body)
				must(p.t, err)
				out, _ := j.CompactSerialize()
				return out
			}
		},
		"no id_token": func(p *provider, _ *server.ProviderAnswer) {
			p.sign = func(jose.SignatureAlgorithm, []byte) string { return "" }
		},
	} {
		t.Run(label, func(t *testing.T) {
			p := newProvider(t)
			d, h, _ := open(t, p)
			to, ticket, err := d.Begin(t.Context(), "/apps/shop", "192.0.2.1")
			must(t, err)
			state, code := p.visit(to)
			back := server.ProviderAnswer{Ticket: ticket, State: state, Code: code}
			lie(p, &back)
			secret, _, _, err := d.Finish(t.Context(), back, "192.0.2.1", "")
			if err == nil || secret != "" || len(h.in) != 0 {
				t.Fatalf("let in: %v %+v", err, h.in)
			}
			if !strings.Contains(err.Error(), "Nobody was signed in") && label != "no ticket" || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("it says %q", err)
			}
			if len(h.refused) != 1 && label != "no ticket" {
				t.Errorf("written down: %q", h.refused)
			}
		})
	}
}

// An e-mail that the provider does not vouch for is told as such.
func TestUnverifiedEmail(t *testing.T) {
	for _, c := range []struct {
		verified any
		want     bool
	}{{true, true}, {"true", true}, {false, false}, {"false", false}, {nil, false}, {1, false}} {
		p := newProvider(t)
		p.claims = func(m map[string]any) { m["email_verified"] = c.verified }
		d, h, _ := open(t, p)
		to, ticket, err := d.Begin(t.Context(), "", "")
		must(t, err)
		state, code := p.visit(to)
		_, _, _, err = d.Finish(t.Context(), server.ProviderAnswer{Ticket: ticket, State: state, Code: code}, "", "")
		must(t, err)
		if h.in[0].Verified != c.want {
			t.Errorf("%v: %v", c.verified, h.in[0].Verified)
		}
	}
}

// A provider that is away at the start is asked again at the next sign-in.
func TestProviderIsAway(t *testing.T) {
	p := newProvider(t)
	d, _, _ := open(t, p)
	well := p.Config.Handler
	p.Config.Handler = http.NotFoundHandler()
	if _, _, err := d.Begin(t.Context(), "", ""); !server.IsID(err, server.ErrUnavailable) {
		t.Errorf("while it is away: %v", err)
	}
	p.Config.Handler = well
	if _, _, err := d.Begin(t.Context(), "", ""); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for issuer, ok := range map[string]bool{"https://id.example.com": true, "https://id.example.com/realms/x": true, "http://127.0.0.1:8080": true, "http://localhost": true,
		"http://id.example.com": false, "id.example.com": false, "": false, "https://": false, "https://x/?a=b": false, "ftp://x": false} {
		_, err := oidc.New(oidc.Config{Issuer: issuer, ClientID: "paas"}, &house{}, slog.New(slog.DiscardHandler))
		if (err == nil) != ok {
			t.Errorf("%q: %v", issuer, err)
		}
	}
	if _, err := oidc.New(oidc.Config{Issuer: "https://id.example.com"}, &house{}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a client without an id")
	}
}
