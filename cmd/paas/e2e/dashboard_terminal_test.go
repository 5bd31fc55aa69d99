package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
)

// onScreen waits until the terminal of the page shows a text.
func (b *tab) onScreen(text string) {
	b.t.Helper()
	b.waitFor(`(document.querySelector(".xterm-rows")?.innerText ?? "").replaceAll("\u00a0", " ").replace(/ +$/gm, "").includes(` + quoted(text) + `)`)
}

// ctrl presses a letter with the control key.
func (b *tab) ctrl(letter string) {
	b.t.Helper()
	upper := strings.ToUpper(letter)
	for _, kind := range []input.DispatchKeyEventType{"rawKeyDown", "keyUp"} {
		call(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Modifiers: 2, Key: letter, Code: "Key" + upper, WindowsVirtualKeyCode: int64(upper[0])})
	}
}

// types sends keys to the terminal as a keyboard does: a key that prints is
// one event with its text.
func (b *tab) types(text string) {
	b.t.Helper()
	for _, r := range text {
		key, code := string(r), int64(0)
		if r == '\r' {
			key, code = "Enter", 13
		}
		call(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "keyDown", Key: key, Text: string(r), UnmodifiedText: string(r), WindowsVirtualKeyCode: code})
		call(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "keyUp", Key: key, WindowsVirtualKeyCode: code})
	}
}

// openTerminal opens one with a command, in a dyno or, with "", in a one-off.
func (b *tab) openTerminal(app, dyno, command string) {
	b.t.Helper()
	if _, err := os.Stat("../../../web/static/vendor/xterm.js"); err != nil {
		b.t.Skip("paas was built without npm, so its dashboard has no terminal: make bin/.assets")
	}
	b.open("/apps/" + app + "/terminal")
	b.waitFor(`!document.getElementById("terminal-form").hidden`)
	b.fill("#terminal-dyno", dyno)
	b.fill("#terminal-command", command)
	b.click("#terminal-open")
	b.waitText("#terminal-state", "In ")
}

// A terminal in the browser is as one of the CLI: output, keys, size, Ctrl-C,
// the exit code, colours; and nothing of it breaks the page's policy.
func TestDashboardTerminal(t *testing.T) {
	p, r := terminalApp(t, "web-terminal")
	b := newTab(t, p)
	b.openTerminal(r.app, "web.1", "/app -mode tty")
	b.onScreen("tty ")
	b.waitFor(`document.activeElement.classList.contains("xterm-helper-textarea")`)
	size := b.eval(`/tty \d+x\d+/.exec(document.querySelector(".xterm-rows").innerText.replaceAll("\u00a0", " "))[0]`)
	b.window(900, 640)
	b.waitFor(`((text) => text.match(/tty \d+x\d+/g).some((s) => s !== ` + quoted(size.(string)) + `))(document.querySelector(".xterm-rows").innerText.replaceAll("\u00a0", " "))`)
	b.ctrl("c")
	b.onScreen("interrupted")
	call(b, input.InsertText, input.InsertTextParams{Text: "grüße, 世界"})
	b.types("\r")
	b.onScreen("you said grüße, 世界")
	b.types("a/c 12\r") // the slash is the terminal's, not the palette's
	b.onScreen("you said a/c 12\n")
	b.types("bye\r")
	b.waitText("#terminal-state", "Ended with exit code 3")

	p.mustPaas(t, "config:set", "-a", r.app, "RED=\x1b[38;2;255;0;0mtruly\x1b[0m red")
	b.openTerminal(r.app, "web.1", "/app -mode env RED")
	b.onScreen("truly red")
	b.waitText("#terminal-state", "Ended with exit code 0")
	b.waitFor(`[...document.querySelectorAll(".xterm-rows span")].some((s) => s.textContent === "truly" && s.style.color !== "")`)
	b.waitFor(`getComputedStyle(document.querySelector(".xterm-rows")).fontFamily.includes("monospace")`)

	b.open("/apps/" + r.app + "/terminal")
	b.fill("#terminal-command", "/nothing")
	b.fill("#terminal-dyno", "web.1")
	b.click("#terminal-open")
	b.waitText("#terminal-state", "Ended with exit code 1")
}

// More output than any window holds comes at the pace of the browser, and a
// large paste goes at the pace of the process.
func TestDashboardTerminalFlood(t *testing.T) {
	p, r := terminalApp(t, "web-terminal-flood")
	b := newTab(t, p)
	b.openTerminal(r.app, "", "/app -mode flood 60000") // 4.6 MB
	b.onScreen("flood line 59999")
	b.click("#terminal-end")
	b.waitFor(`!document.getElementById("terminal-open").hidden`)
	b.openTerminal(r.app, "", "/app -mode cat")
	b.waitFor(`document.querySelector(".xterm-helper-textarea") !== null`)
	b.eval(`(() => { const data = new DataTransfer(); data.setData("text/plain", ("0123456789".repeat(10) + "\n").repeat(2000) + "the end\n");
		document.querySelector(".xterm-helper-textarea").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })); })()`)
	b.onScreen("the end")
	b.click("#terminal-end")
	b.waitFor(`!document.getElementById("terminal-open").hidden`)
}

// A one-off ends by its button, and with the right to it.
func TestDashboardTerminalEnds(t *testing.T) {
	p, r := terminalApp(t, "web-terminal-end")
	b := newTab(t, p)
	b.openTerminal(r.app, "", "/app -mode tty")
	b.onScreen("tty ")
	name := strings.TrimSuffix(strings.TrimPrefix(b.text("#terminal-state"), "In "), ".")
	b.click("#terminal-end")
	gone(t, p, r.app, name)
	b.waitFor(`!document.getElementById("terminal-open").hidden`)

	b.openTerminal(r.app, "", "/app -mode tty")
	b.onScreen("tty ")
	name = strings.TrimSuffix(strings.TrimPrefix(b.text("#terminal-state"), "In "), ".")
	b.eval(`fetch("/sign-out", { method: "POST", redirect: "manual" }).then(() => true)`)
	b.waitText("#terminal-problem", "not signed in")
	gone(t, p, r.app, name)
}

// Scaling by the page, with the slider and without JavaScript.
func TestDashboardScale(t *testing.T) {
	p, r := terminalApp(t, "web-scale")
	b := newTab(t, p)
	b.open("/apps/" + r.app + "/processes")
	b.fill("input[type=range]", "2")
	b.waitFor(`document.getElementById("quantity-web").value === "2"`)
	b.waitText("#scale-cli", "paas ps:scale web=2:")
	b.click("#apply")
	b.waitText("#said", "Scaled web to 2")
	b.waitFor(`[...document.querySelectorAll("#dynos tr")].some((row) => row.innerText.includes("web.2") && row.innerText.includes("up"))`) // by itself
	if out := p.mustPaas(t, "ps", "-a", r.app); !strings.Contains(out, "web.2") {
		t.Error(out)
	}
	b.scripts(false)
	b.reload()
	b.fill("#quantity-web", "1")
	b.click("#apply")
	b.waitText("#said", "Scaled web to 1")
}

// A change of config is seen before it is made; then it is what runs.
func TestDashboardConfig(t *testing.T) {
	p, r := terminalApp(t, "web-config")
	p.mustPaas(t, "config:set", "-a", r.app, "GREETING=first-value", "OLD=old-value")
	b := newTab(t, p)
	b.open("/apps/" + r.app + "/config")
	if html := b.eval("document.documentElement.outerHTML").(string); strings.Contains(html, "first-value") {
		t.Error("the page holds a value")
	}
	b.click(`button[data-reveal][value=GREETING]`)
	b.waitText(`[data-value=GREETING]`, "first-value")
	b.click(`button[data-reveal][value=GREETING]`)
	b.waitFor(`!document.body.innerText.includes("first-value")`)
	b.fill("#set", "GREETING=second-value\nNEW='a b'")
	b.click(`input[name=remove][value=OLD]`)
	b.click(".config button.main")
	b.waitText("h1", "What will change")
	for _, want := range []string{"changed", "GREETING", "added", "NEW", "removed", "OLD", "v4", "1 × web"} {
		b.waitText("main", want)
	}
	if html := b.eval("document.documentElement.outerHTML").(string); strings.Contains(html, "second-value") || strings.Contains(html, "first-value") {
		t.Error("the preview holds a value")
	}
	p.mustPaas(t, "config:set", "-a", r.app, "BETWEEN=1") // somebody else is faster
	b.allow("409")
	b.click(".confirm button.main")
	b.waitText(".problem", "changed meanwhile")
	b.waitText("main", "v5")
	b.click(".confirm button.main")
	b.waitFor(fmt.Sprintf(`location.pathname.startsWith("/apps/%s/deploys/")`, r.app))
	b.waitFor(`document.readyState === "complete"`)
	p.mustPaas(t, "ps:wait", "-a", r.app)
	for key, want := range map[string]string{"GREETING": "second-value", "NEW": "a b", "BETWEEN": "1"} {
		out, err := exec.Command(built.Paas, p.cli("run:inside", "web.1", "-a", r.app, "--", "/app", "-mode", "env", key)...).Output()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s is %q in the dyno (%v)", key, out, err)
		}
	}
	if out := p.mustPaas(t, "config", "-a", r.app); strings.Contains(out, "OLD") {
		t.Error(out)
	}
}
