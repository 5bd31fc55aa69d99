package web_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// screen is a tab of Debian's Chromium with a device that keeps passkeys.
type screen struct {
	*doors
	ctx    context.Context
	device webauthn.AuthenticatorID
}

// patience is how long a page may take on a machine that has much to do.
const patience = 60 * time.Second

func (d *doors) screen() *screen {
	d.t.Helper()
	bin, err := exec.LookPath("chromium")
	if err != nil {
		d.t.Fatalf("%v: scripts/deps.sh test installs it", err)
	}
	home, err := os.MkdirTemp("", "paas-chromium-")
	d.must(err)
	opts := append(append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...), chromedp.ExecPath(bin), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(home+"/profile"), chromedp.Flag("disable-component-update", true), chromedp.Flag("no-zygote", true),
		chromedp.Env("HOME="+home, "TMPDIR="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "DBUS_SESSION_BUS_ADDRESS=disabled:"),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		}))
	alloc, freeAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, free := chromedp.NewContext(alloc)
	s := &screen{doors: d, ctx: ctx}
	d.must(chromedp.Do(ctx))
	pgid := chromedp.FromContext(ctx).Browser.Process().Pid
	d.t.Cleanup(func() {
		closing, done := context.WithTimeout(ctx, patience)
		_ = chromedp.Cancel(closing)
		done()
		free()
		freeAlloc()
		for end := time.Now().Add(patience); syscall.Kill(-pgid, 0) == nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			_ = syscall.Kill(-pgid, syscall.SIGKILL) // its directory is removed next
		}
		os.RemoveAll(home)
	})
	chromedpCall(s, webauthn.Enable.Method, func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{})
		return err
	})
	s.plug()
	return s
}

func chromedpCall(s *screen, what string, do func(context.Context) error) {
	s.t.Helper()
	ctx, done := context.WithTimeout(s.ctx, patience)
	defer done()
	if err := do(ctx); err != nil {
		s.t.Fatalf("%s: %v\n%s", what, err, s.js("location.href + '\\n' + document.body.innerText"))
	}
}

// plug gives the browser a device with no passkey in it, in the place of the
// one it had.
func (s *screen) plug() {
	s.t.Helper()
	chromedpCall(s, "plug a device in", func(ctx context.Context) error {
		if s.device != "" {
			if _, err := chromedp.Call(ctx, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: s.device}); err != nil {
				return err
			}
		}
		r, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}})
		s.device = r.AuthenticatorID
		return err
	})
}

// keys are the passkeys in the device.
func (s *screen) keys() []*webauthn.Credential {
	s.t.Helper()
	var all []*webauthn.Credential
	chromedpCall(s, "look into the device", func(ctx context.Context) error {
		r, err := chromedp.Call(ctx, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: s.device})
		all = r.Credentials
		return err
	})
	return all
}

// put makes a passkey one of the device's, as a copy of the device would have it.
func (s *screen) put(k *webauthn.Credential) {
	s.t.Helper()
	plain := map[string]any{"credentialId": k.CredentialID, "isResidentCredential": true, "rpId": k.RpID, "privateKey": k.PrivateKey,
		"userHandle": k.UserHandle, "signCount": k.SignCount} // the library's type names extensions that the device has not
	add := cdp.Command[map[string]any, cdp.Empty]{Method: webauthn.CommandAddCredential}
	chromedpCall(s, "copy a passkey", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, add, map[string]any{"authenticatorId": s.device, "credential": plain})
		return err
	})
}

// forget makes the browser one that is signed in nowhere.
func (s *screen) forget() {
	s.t.Helper()
	chromedpCall(s, "forget the cookies", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, network.ClearBrowserCookies, cdp.Empty{})
		return err
	})
}

func (s *screen) open(path string) {
	s.t.Helper()
	chromedpCall(s, "open "+path, func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.Navigate(s.url+path)) })
}

// click presses what is there and seen.
func (s *screen) click(selector string) {
	s.t.Helper()
	chromedpCall(s, "click "+selector, func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.Click(selector)) })
}

// js gives what an expression amounts to; empty while a page goes away.
func (s *screen) js(expression string) string {
	ctx, done := context.WithTimeout(s.ctx, patience)
	defer done()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("JSON.stringify("+expression+")"))
	if err != nil {
		return ""
	}
	var out any
	if json.Unmarshal([]byte(text), &out) != nil {
		return text
	}
	if t, ok := out.(string); ok {
		return t
	}
	return text
}

// until waits for an expression to be true.
func (s *screen) until(expression string) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); s.js(expression) != "true"; <-tick.C {
		if time.Now().After(end) {
			s.t.Fatalf("not so: %s\n%s", expression, s.js("location.href + '\\n' + document.body.innerText"))
		}
	}
}

func (s *screen) shows(text string) string {
	b, err := json.Marshal(text)
	s.must(err)
	return "document.readyState === 'complete' && document.body.innerText.includes(" + string(b) + ")"
}

// With a real browser and a device in it: a passkey is added by who is signed
// in, signs in without a name being typed, is refused when it is a copy or was
// removed, and there is one of an account in a device.
func TestPasskeyInABrowser(t *testing.T) {
	d := newDoors(t)
	s := d.screen()
	s.open(d.link("ann@example.com")[len(d.url):] + "&next=/account")
	s.click("main form button.main")
	s.until(s.shows("Passkeys"))
	chromedpCall(s, "type a name", func(ctx context.Context) error {
		return chromedp.Do(ctx, chromedp.SendKeys("#passkey-name", "ann's <b>laptop</b>"))
	})
	s.click("form[data-passkey] button")
	s.until(s.shows("Added the passkey ann's <b>laptop</b>."))
	if n := len(s.keys()); n != 1 {
		t.Fatalf("the device has %d passkeys", n)
	}
	first := s.keys()[0]
	if !first.IsResidentCredential || first.RpID != "localhost" || len(first.UserHandle) != 16 {
		t.Errorf("the device keeps %+v", first)
	}
	s.click("form[data-passkey] button")
	s.until(s.shows("has a passkey of yours already"))

	signIn := func() {
		s.t.Helper()
		s.forget()
		s.open("/account")
		s.until("location.pathname === '/sign-in' && " + s.shows("By a passkey"))
		s.click("[data-passkey=sign-in] button")
	}
	signIn()
	s.until("location.pathname === '/account' && " + s.shows("ann@example.com"))
	s.until(s.shows("passkey"))

	s.plug() // a copy of the device, from before that
	s.put(first)
	signIn()
	s.until(s.shows("counter went back"))
	s.open("/account")
	s.until("location.pathname === '/sign-in'")

	later := *first
	later.SignCount += 10
	s.plug()
	s.put(&later)
	signIn()
	s.until("location.pathname === '/account'")
	s.until(s.shows("Passkeys"))
	s.click("form[action^='/account/passkeys/'] button")
	s.until(s.shows("Removed the passkey"))
	signIn()
	s.until(s.shows("This passkey is not known here"))
}
