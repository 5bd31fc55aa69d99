package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"paas/cmd/paas/platformtest"
)

// chromium is the browser that the tests of the dashboard share. It starts
// with the first of them and ends with the test program.
var chromium lazyBrowser

type lazyBrowser struct {
	once sync.Once
	ctx  context.Context // nil: it did not start
	err  error
	pgid int
	said platformtest.Buffer
	stop func()
}

func (l *lazyBrowser) get(t *testing.T) context.Context {
	t.Helper()
	l.once.Do(l.start)
	if l.err != nil {
		t.Fatalf("chromium: %v\nscripts/deps.sh test installs it. It said:\n%s", l.err, platformtest.Tail(l.said.String(), 20))
	}
	return l.ctx
}

// start runs Debian's Chromium with all that it writes below the test's
// directory, and with nothing that it would ask of the Internet.
func (l *lazyBrowser) start() {
	bin, err := exec.LookPath("chromium")
	if err != nil {
		l.err = err
		return
	}
	home := filepath.Join(built.Dir, "chromium")
	platformtest.Must(os.MkdirAll(filepath.Join(home, "tmp"), 0o700))
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(bin), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(filepath.Join(home, "profile")), chromedp.CombinedOutput(&l.said),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-crash-reporter", true),
		chromedp.Flag("disable-features", "Translate,MediaRouter,OptimizationHints,DialMediaRouteProvider"), chromedp.Flag("no-pings", true),
		chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("no-zygote", true),
		chromedp.Env("HOME="+home, "TMPDIR="+filepath.Join(home, "tmp"), "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "DBUS_SESSION_BUS_ADDRESS=disabled:"),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		}))
	alloc, freeAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, free := chromedp.NewContext(alloc)
	l.stop = func() { free(); freeAlloc() }
	if l.err = chromedp.Do(ctx); l.err != nil {
		l.stop()
		return
	}
	l.ctx, l.pgid = ctx, chromedp.FromContext(ctx).Browser.Process().Pid
}

// end stops the browser and waits until all of its processes are gone: they
// write to a directory that is removed next.
func (l *lazyBrowser) end() {
	if l.ctx == nil {
		return
	}
	closing, done := context.WithTimeout(l.ctx, 10*time.Second)
	_ = chromedp.Cancel(closing)
	done()
	l.stop()
	for deadline := time.Now().Add(60 * time.Second); syscall.Kill(-l.pgid, 0) == nil && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		_ = syscall.Kill(-l.pgid, syscall.SIGKILL)
	}
}

// tab is a page of the dashboard in a browser of its own: cookies and storage
// are nobody else's. A test fails by what goes wrong in it on the side: an
// exception, an error on the console, a violation of the content security
// policy, a dialog, a request that fails.
type tab struct {
	t    *testing.T
	p    *platform
	ctx  context.Context
	base string // http://paas.localhost:PORT

	mu       sync.Mutex
	problems []string
	allowed  []string
	urls     map[network.RequestID]string
}

// newTab is a tab that is signed in as the operator.
func newTab(t *testing.T, p *platform) *tab {
	t.Helper()
	b := newStrangersTab(t, p)
	b.signIn(p.signInLink(t))
	return b
}

// newStrangersTab is a tab that nobody has signed in with.
func newStrangersTab(t *testing.T, p *platform) *tab {
	t.Helper()
	_, port, _ := strings.Cut(p.http, ":")
	b := &tab{t: t, p: p, base: "http://paas.localhost:" + port, urls: map[network.RequestID]string{}}
	ctx, closeTab := chromedp.NewContext(chromium.get(t), chromedp.WithNewBrowserContext())
	b.ctx = ctx
	t.Cleanup(func() { closeTab(); b.report() })
	platformtest.Must(chromedp.Do(ctx))
	platformtest.Must(chromedp.Listen(ctx, b.heard))
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	call(b, page.Enable, page.EnableParams{})
	call(b, audits.Enable, cdp.Empty{})
	b.window(1280, 800)
	return b
}

// call runs a command of the browser's protocol in the tab.
func call[P, R any](b *tab, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, done := context.WithTimeout(b.ctx, patience)
	defer done()
	r, err := chromedp.Call(ctx, cmd, params)
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", cmd.Method, err, b.seen())
	}
	return r
}

// heard notes what went wrong. It runs between the browser's messages and
// must not ask it anything.
func (b *tab) heard(ev any) {
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		what := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			what += " " + x.Description
		}
		b.problem("exception: %s", what)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "assert" {
			var text []string
			for _, a := range e.Args {
				text = append(text, a.Description, string(a.Value))
			}
			b.problem("console: %s", strings.Join(text, " "))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" {
			b.problem("log: %s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		if d := e.Issue.Details.ContentSecurityPolicyIssueDetails; d != nil {
			b.problem("content security policy: %s %s", d.ViolatedDirective, d.BlockedURL)
		}
	case *page.EventJavascriptDialogOpening:
		b.problem("dialog: %s", e.Message)
		go func() {
			_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: false})
		}()
	case *network.EventRequestWillBeSent:
		b.mu.Lock()
		b.urls[e.RequestID] = e.Request.URL
		b.mu.Unlock()
	case *network.EventLoadingFailed:
		// What a page leaves behind when the next one comes is cancelled.
		if !e.Canceled && e.ErrorText != "net::ERR_ABORTED" {
			b.mu.Lock()
			url := b.urls[e.RequestID]
			b.mu.Unlock()
			b.problem("request: %s %s %s", url, e.ErrorText, e.BlockedReason)
		}
	}
}

func (b *tab) problem(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

// allow lets problems with that text in them be none: a page that must not be
// there is an error on the console.
func (b *tab) allow(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allowed = append(b.allowed, text)
}

// report fails the test by what went wrong since it was called last.
func (b *tab) report() {
	b.mu.Lock()
	defer b.mu.Unlock()
	problems := b.problems
	b.problems = nil
	for _, p := range problems {
		if !slices.ContainsFunc(b.allowed, func(a string) bool { return strings.Contains(p, a) }) {
			b.t.Errorf("in the browser: %s", p)
		}
	}
}

// window sets the size of what is seen, in CSS pixels.
func (b *tab) window(width, height int64) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
}

var linkText = regexp.MustCompile(`https?://\S+/sign-in\?\S+`)

// signInLink is a one-time link of the operator's account.
func (p *platform) signInLink(t *testing.T) string {
	t.Helper()
	return findLink(t, p.mustPaas(t, "dashboard", "--print"))
}

func findLink(t *testing.T, out string) string {
	t.Helper()
	link := linkText.FindString(out)
	if link == "" {
		t.Fatalf("paas dashboard --print said: %s", out)
	}
	return link
}

// signIn follows a one-time link and presses its button.
func (b *tab) signIn(link string) {
	b.t.Helper()
	b.openURL(link)
	b.click("main form button.main")
	b.waitFor(`location.pathname !== "/sign-in" && document.readyState === "complete"`)
}
