package web

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/css"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"

	"paas/server"
)

var (
	flood     = flag.Duration("flood", 6*time.Second, "how long TestLogFloodInABrowser floods the page")
	floodRate = flag.Int("flood-rate", 5000, "lines per second")
)

const (
	floodHeap = 150 << 20 // bytes, of JavaScript and of the page's own process
	// floodNodes is what a page of keepLines takes: a line of the router has 20.
	// What was taken out and not collected yet counts too.
	floodNodes = 2 * keepLines * 22
)

// TestLogFloodInABrowser follows a log of 5,000 lines a second in Chromium. What
// the page holds when it is full is all that it ever holds: an hour of it is
// -flood 1h.
func TestLogFloodInABrowser(t *testing.T) {
	f := newLogFake(t)
	ctx := newChromium(t)
	base := floodServer(t, newBrowser(t, f))
	f.say(time.Now(), "app web.1 first")
	flooding, stop := context.WithCancel(context.Background())
	defer stop()
	var printing sync.WaitGroup
	printing.Go(func() { f.flood(flooding, *floodRate) })
	defer printing.Wait()
	defer stop()

	load(t, ctx, base+"/apps/shop/logs")
	evalIn[bool](t, ctx, frameCounter)
	begin := time.Now()
	var most usage
	look := func() {
		u := usageOf(t, ctx)
		t.Logf("after %3.0f s: %s", time.Since(begin).Seconds(), u)
		most.heap, most.nodes, most.private = max(most.heap, u.heap), max(most.nodes, u.nodes), u.private
	}
	for n := 2; time.Since(begin) < *flood; n += 2 {
		until(t, ctx, fmt.Sprintf(`performance.now() > %d`, n*1000))
		look()
	}
	// What lies about waiting to be collected is the browser's choice, not ours.
	callIn(t, ctx, heapprofiler.CollectGarbage, cdp.Empty{})
	look()
	if most.nodes > floodNodes || most.nodes < keepLines {
		t.Errorf("%d nodes, want at most %d", most.nodes, floodNodes)
	}
	if most.heap > floodHeap || most.private > floodHeap {
		t.Errorf("%d MB of heap, %d MB of the process, want less than %d MB", most.heap>>20, most.private>>20, floodHeap>>20)
	}
	pausedHoldsBounded(t, ctx, stop)
	if last := evalIn[string](t, ctx, `document.getElementById("status").textContent`); last != "● live" {
		t.Errorf("the page says %q", last)
	}
}

// pausedHoldsBounded presses pause: the count of what waits grows, the page
// stays as it is, and resuming shows the newest. The flood ends before that:
// what says how much was left out would be out of the page at once.
func pausedHoldsBounded(t *testing.T, ctx context.Context, stop func()) {
	t.Helper()
	evalIn[bool](t, ctx, `document.getElementById("pause").click() || true`)
	const newest = `[...document.querySelectorAll("#lines .l .t")].at(-1).title`
	until(t, ctx, `document.getElementById("more").textContent !== ""`)
	at := evalIn[string](t, ctx, newest)
	until(t, ctx, `parseInt(document.getElementById("more").textContent.replace(/ new.*| /g, "")) > `+strconv.Itoa(keepLines+100))
	if now := evalIn[string](t, ctx, newest); now != at {
		t.Errorf("a page that is paused went on from %s to %s", at, now)
	}
	if more := evalIn[string](t, ctx, `document.getElementById("more").textContent`); !strings.Contains(more, "kept") {
		t.Errorf("%q", more)
	}
	stop()
	// What is under way still counts; on a busy machine that is seconds of it.
	until(t, ctx, `(() => {
		const more = document.getElementById("more").textContent, now = performance.now();
		if (window.counted?.more !== more) window.counted = { more, at: now };
		return now - window.counted.at > 1500;
	})()`)
	evalIn[bool](t, ctx, `document.getElementById("pause").click() || true`)
	until(t, ctx, `document.getElementById("more").textContent === "" && [...document.querySelectorAll(".note")].some((n) => n.textContent.includes("left out"))`)
}

// TestLogKeysInABrowser pauses, goes on and finds the filter by keys.
func TestLogKeysInABrowser(t *testing.T) {
	f := newLogFake(t)
	f.say(time.Now(), "app web.1 first")
	ctx := newChromium(t)
	load(t, ctx, floodServer(t, newBrowser(t, f))+"/apps/shop/logs")
	press := func(key string) {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.KeyEvent(key)); err != nil {
			t.Fatal(err)
		}
	}
	evalIn[bool](t, ctx, `document.getElementById("log").focus() || true`)
	press("p")
	until(t, ctx, `document.getElementById("status").textContent === "◑ paused" && document.getElementById("pause").textContent.startsWith("Resume")`)
	f.say(time.Now(), "app web.1 <b>late</b>")
	until(t, ctx, `document.getElementById("more").textContent === "1 new line"`)
	press(" ")
	until(t, ctx, `document.getElementById("log").innerText.includes("<b>late</b>") && document.getElementById("more").textContent === ""`)
	press("f")
	until(t, ctx, `document.activeElement.id === "text"`)
	press("p")
	until(t, ctx, `document.getElementById("text").value.endsWith("p") && document.getElementById("status").textContent === "● live"`)
}

// flood prints lines as apps do: text with colours, JSON, the router's lines.
func (f *logFake) flood(ctx context.Context, perSecond int) {
	const every = 10 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	begin, sent := time.Now(), 0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for due := int(time.Since(begin).Seconds() * float64(perSecond)); sent < due; sent++ {
			l := server.LogLine{AppID: "id-shop", At: time.Now(), Source: "app", Dyno: "web." + strconv.Itoa(1+sent%4)}
			switch sent % 4 {
			case 0:
				l.Text = fmt.Sprintf("\x1b[32minfo\x1b[0m \x1b[1mrequest %d\x1b[0m took %d ms and then some more words about what it did", sent, rand.IntN(400))
			case 1:
				l.Text = fmt.Sprintf(`{"level":"warn","msg":"slow query","n":%d,"sql":"select * from orders where id = $1 and state = 'open'"}`, sent)
			case 2:
				l.Source, l.Dyno, l.Text = "paas", "router", strings.Replace(aRequest, "x=1", "n="+strconv.Itoa(sent), 1)
			default:
				l.Text = fmt.Sprintf("plain line %d", sent)
			}
			f.store.Append(l)
		}
	}
}

func floodServer(t *testing.T, b *browser) (base string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = "paas.example.com"
		r.AddCookie(&http.Cookie{Name: b.web.cookieName(), Value: b.secret})
		b.web.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv.URL
}

// newChromium is a tab of a browser that ends with the test.
func newChromium(t *testing.T) context.Context {
	t.Helper()
	bin, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not here; scripts/deps.sh test installs it")
	}
	home := t.TempDir()
	opts := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	opts = append(opts, chromedp.ExecPath(bin), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(home+"/profile"), chromedp.Flag("no-zygote", true),
		chromedp.Flag("disable-component-update", true), chromedp.WindowSize(1280, 800),
		chromedp.Env("HOME="+home, "TMPDIR="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "DBUS_SESSION_BUS_ADDRESS=disabled:"),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		}))
	alloc, freeAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, free := chromedp.NewContext(alloc)
	if err := chromedp.Do(ctx); err != nil {
		free()
		freeAlloc()
		t.Fatal(err)
	}
	pgid := chromedp.FromContext(ctx).Browser.Process().Pid
	t.Cleanup(func() {
		free()
		freeAlloc()
		_ = syscall.Kill(-pgid, syscall.SIGKILL)
		for !errors.Is(syscall.Kill(-pgid, 0), syscall.ESRCH) { // they write to home, which is removed next
			time.Sleep(5 * time.Millisecond)
		}
	})
	if err := chromedp.Listen(ctx, func(ev any) {
		if e, ok := ev.(*runtime.EventExceptionThrown); ok && e.ExceptionDetails.Exception != nil {
			t.Errorf("in the browser: %s", e.ExceptionDetails.Exception.Description)
		}
	}); err != nil {
		t.Fatal(err)
	}
	callIn(t, ctx, performance.Enable, performance.EnableParams{})
	// What a debugger listens to is kept in the page's process for it: all that
	// comes over the network, each change of the page.
	for _, off := range []cdp.Command[cdp.Empty, cdp.Empty]{network.Disable, css.Disable, dom.Disable, log.Disable} {
		callIn(t, ctx, off, cdp.Empty{})
	}
	return ctx
}

const floodPatience = 60 * time.Second

func callIn[P, R any](t *testing.T, ctx context.Context, cmd cdp.Command[P, R], params P) R {
	t.Helper()
	ctx, done := context.WithTimeout(ctx, floodPatience)
	defer done()
	r, err := chromedp.Call(ctx, cmd, params)
	if err != nil {
		t.Fatalf("%s: %v", cmd.Method, err)
	}
	return r
}

func load(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	callIn(t, ctx, page.Navigate, page.NavigateParams{URL: url})
	until(t, ctx, `document.readyState === "complete" && document.getElementById("status")?.textContent === "● live"`)
}

func evalIn[T any](t *testing.T, ctx context.Context, js string) T {
	t.Helper()
	ctx, done := context.WithTimeout(ctx, floodPatience)
	defer done()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	return v
}

// until waits for an expression to be true, looked at once a frame by the page.
func until(t *testing.T, ctx context.Context, js string) {
	t.Helper()
	ctx, done := context.WithTimeout(ctx, floodPatience)
	defer done()
	wait := `new Promise((done) => { const look = () => (` + js + `) ? done(true) : setTimeout(look, 20); look(); })`
	for {
		v, err := chromedp.Run(ctx, chromedp.Evaluate[bool](wait, chromedp.EvalAwaitPromise))
		if err == nil && v {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("not within %s: %s: %v", floodPatience, js, err)
		}
	}
}

// frameCounter counts frames, and the longest time between two, since it was
// asked last.
const frameCounter = `(() => {
  window.frames_ = { n: 0, longest: 0, since: performance.now() };
  let last = performance.now();
  const tick = (now) => { window.frames_.n++; window.frames_.longest = Math.max(window.frames_.longest, now - last); last = now; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
  return true;
})()`

// usage is what a page costs.
type usage struct {
	heap, nodes, private int
	frames, longest      float64
	script, layout       float64 // seconds since the page was loaded
	style, task          float64
	rows                 int
	newest               string
}

func (u usage) String() string {
	return fmt.Sprintf("%4.0f frames/s, longest %4.0f ms, heap %3d MB, process %3d MB, %6d nodes, %d lines, the newest %s old; %.1f s script, %.1f s layout, %.1f s style, %.1f s in all", u.frames, u.longest, u.heap>>20, u.private>>20, u.nodes, u.rows, u.newest, u.script, u.layout, u.style, u.task)
}

func usageOf(t *testing.T, ctx context.Context) usage {
	t.Helper()
	var u usage
	for _, m := range callIn(t, ctx, performance.GetMetrics, cdp.Empty{}).Metrics {
		switch m.Name {
		case "JSHeapUsedSize":
			u.heap = int(m.Value)
		case "Nodes":
			u.nodes = int(m.Value)
		case "ScriptDuration":
			u.script = m.Value
		case "LayoutDuration":
			u.layout = m.Value
		case "RecalcStyleDuration":
			u.style = m.Value
		case "TaskDuration":
			u.task = m.Value
		}
	}
	got := evalIn[[]float64](t, ctx, `(() => { const f = window.frames_, now = performance.now(), r = [f.n / (now - f.since) * 1000, f.longest, document.querySelectorAll(".l").length,
		Date.now() - Date.parse([...document.querySelectorAll("#lines .l .t")].at(-1).title)];
		f.n = 0; f.longest = 0; f.since = now; return r; })()`)
	u.frames, u.longest, u.rows, u.newest = got[0], got[1], int(got[2]), strconv.Itoa(int(got[3]))+" ms"
	u.private = rendererMemory(t, ctx)
	return u
}

// rendererMemory is what the page's process holds for itself alone.
func rendererMemory(t *testing.T, ctx context.Context) (most int) {
	t.Helper()
	got, err := chromedp.CallBrowser(ctx, systeminfo.GetProcessInfo, cdp.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range got.ProcessInfo {
		if p.Type != "renderer" {
			continue
		}
		b, err := os.ReadFile("/proc/" + strconv.Itoa(int(p.ID)) + "/smaps_rollup")
		if err != nil {
			continue // it has ended
		}
		private := 0
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "Private_"); ok {
				f := strings.Fields(rest)
				n, _ := strconv.Atoi(f[1])
				private += n << 10
			}
		}
		most = max(most, private)
	}
	return most
}
