package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"paas/cmd/paas/platformtest"
)

// patience is how long a tab waits for what a page should do by itself.
const patience = 30 * time.Second

// opens a page of the dashboard and waits until it is loaded.
func (b *tab) open(path string) {
	b.t.Helper()
	b.openURL(b.base + path)
}

func (b *tab) openURL(url string) {
	b.t.Helper()
	r := call(b, page.Navigate, page.NavigateParams{URL: url})
	if r.ErrorText != "" {
		b.t.Fatalf("open %s: %s", url, r.ErrorText)
	}
	b.waitFor(`document.readyState === "complete"`)
}

// reload opens the same page again.
func (b *tab) reload() {
	b.t.Helper()
	b.openURL(b.eval("location.href").(string))
}

// try gives what an expression of JavaScript amounts to; a promise is waited
// for. It works with scripts disabled in the page too.
func (b *tab) try(js string) (any, error) {
	ctx, done := context.WithTimeout(b.ctx, patience)
	defer done()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`Promise.resolve(`+js+`).then((v) => JSON.stringify(v ?? null))`, chromedp.EvalAwaitPromise))
	if err != nil {
		return nil, err
	}
	var v any
	err = json.Unmarshal([]byte(text), &v)
	return v, err
}

func (b *tab) eval(js string) any {
	b.t.Helper()
	v, err := b.try(js)
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", js, err, b.seen())
	}
	return v
}

// waitFor waits until an expression of JavaScript is true. A page that goes
// away meanwhile is as good as one where it is not yet.
func (b *tab) waitFor(js string) {
	b.t.Helper()
	b.waitLonger(patience, js)
}

func (b *tab) waitLonger(limit time.Duration, js string) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; {
		v, err := b.try("(" + js + ")")
		if v == true {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("not within %s: %s (%v %v)\n%s", limit, js, v, err, b.seen())
		}
		<-tick.C
	}
}

// waitText waits until something that selector finds shows the text.
func (b *tab) waitText(selector, text string) {
	b.t.Helper()
	b.waitFor(fmt.Sprintf(`[...document.querySelectorAll(%s)].some((e) => e.innerText.includes(%s))`, quoted(selector), quoted(text)))
}

// quoted is a string of JavaScript.
func quoted(s string) string {
	b, err := json.Marshal(s)
	platformtest.Must(err)
	return string(b)
}

// text is what the first element of the selector shows.
func (b *tab) text(selector string) string {
	b.t.Helper()
	b.waitFor(`document.querySelector(` + quoted(selector) + `) !== null`)
	s, _ := b.eval(`document.querySelector(` + quoted(selector) + `).innerText`).(string)
	return s
}

func (b *tab) has(selector string) bool {
	b.t.Helper()
	return b.eval(`document.querySelector(`+quoted(selector)+`) !== null`) == true
}

// seen is what a person saw at the end, for a test's message.
func (b *tab) seen() string {
	v, err := b.try("location.href + '\\n' + document.title + '\\n' + document.body.innerText")
	if err != nil {
		return fmt.Sprintf("(the page is not there: %v)", err)
	}
	text := []rune(v.(string))
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(text[:min(len(text), 3000)]) + "\n" + strings.Join(b.problems, "\n")
}

// spot finds the middle of an element that can be pressed: visible, enabled
// and covered by nothing.
const spot = `(() => {
  const text = %s;
  for (const e of document.querySelectorAll(%s)) {
    if (e.disabled || text && !e.innerText.includes(text) && e.value !== text && e.getAttribute("aria-label") !== text) continue;
    e.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    const r = e.getClientRects()[0];
    if (!r || !r.width || !r.height) continue;
    const x = r.x + r.width / 2, y = r.y + r.height / 2, at = document.elementFromPoint(x, y);
    if (at && (at === e || e.contains(at) || at.contains(e) || e.labels && [...e.labels].some((l) => l.contains(at)))) return [x, y];
  }
  return null;
})()`

// gotPress notes whether one of the elements gets the next press.
const gotPress = `(window.gotPress = null, addEventListener("pointerdown", (p) => {
  window.gotPress = [...document.querySelectorAll(%s)].some((e) => {
    const r = e.getClientRects()[0];
    return e.contains(p.target) || r && document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2) === p.target ||
      e.labels && [...e.labels].some((l) => l.contains(p.target));
  });
}, { capture: true, once: true }), true)`

// click presses the first element that can be pressed, of those with the text
// if one is given, with the mouse. A press that something else got, because the
// page moved in that moment, is let go away from it, which clicks nothing.
func (b *tab) click(selector string, text ...string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		x, y := b.find(selector, strings.Join(text, " "))
		b.eval(fmt.Sprintf(gotPress, quoted(selector)))
		b.mouse("mousePressed", x, y)
		if got, err := b.try("window.gotPress"); err != nil || got != false || time.Now().After(deadline) {
			b.mouse("mouseReleased", x, y)
			return
		}
		b.mouse("mouseReleased", 0, 0)
	}
}

func (b *tab) mouse(kind input.DispatchMouseEventType, x, y float64) {
	b.t.Helper()
	call(b, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: x, Y: y, Button: "left", ClickCount: 1})
}

func (b *tab) find(selector, text string) (x, y float64) {
	b.t.Helper()
	js := fmt.Sprintf(spot, quoted(text), quoted(selector))
	b.waitFor(js + " !== null")
	// Where it is to stay: a page that is being drawn moves what is on it.
	at, ok := b.eval(js).([]any)
	for deadline := time.Now().Add(patience); ok && time.Now().Before(deadline); {
		<-time.After(20 * time.Millisecond)
		before := at
		if at, ok = b.eval(js).([]any); ok && slices.Equal(at, before) {
			break
		}
	}
	if !ok {
		b.t.Fatalf("%s %q went away\n%s", selector, text, b.seen())
	}
	return at[0].(float64), at[1].(float64)
}

// fill makes a field hold the value, as typing does; a select chooses it.
func (b *tab) fill(selector, value string) {
	b.t.Helper()
	q := quoted(selector)
	b.waitFor(`document.querySelector(` + q + `) !== null`)
	if b.eval(`document.querySelector(`+q+`).matches("select, [type=range], [type=date], [type=datetime-local]")`) == true {
		b.eval(`(() => { const e = document.querySelector(` + q + `); e.value = ` + quoted(value) + `;
			for (const n of ["input", "change"]) e.dispatchEvent(new Event(n, { bubbles: true })); })()`)
		return
	}
	b.eval(`(() => { const e = document.querySelector(` + q + `); e.focus(); e.select(); })()`)
	if value == "" {
		b.press(kb.Delete)
	}
	call(b, input.InsertText, input.InsertTextParams{Text: value})
}

// press presses a key of package kb where the focus is; types is for texts.
func (b *tab) press(keys string) {
	b.t.Helper()
	ctx, done := context.WithTimeout(b.ctx, patience)
	defer done()
	if err := chromedp.Do(ctx, chromedp.KeyEvent(keys)); err != nil {
		b.t.Fatalf("press %q: %v", keys, err)
	}
}

// path is where the tab is, with its query.
func (b *tab) path() string {
	b.t.Helper()
	return b.eval("location.pathname + location.search").(string)
}

// scripts lets scripts of pages run, or not, from the next page on.
func (b *tab) scripts(on bool) {
	b.t.Helper()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// theme is what the tab's owner set the machine to: "light" or "dark".
func (b *tab) theme(name string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

// screenshot writes what is seen to a file, a WebP image.
func (b *tab) screenshot(file string) {
	b.t.Helper()
	r := call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: "webp", Quality: new(int64(80))})
	platformtest.Must(os.MkdirAll(filepath.Dir(file), 0o755))
	platformtest.Must(os.WriteFile(file, r.Data, 0o644))
}
