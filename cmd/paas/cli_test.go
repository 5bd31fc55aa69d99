package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"paas/server/api"
)

func TestParseServer(t *testing.T) {
	for in, want := range map[string]string{
		"": "paas@localhost:2222", "example.com": "paas@example.com:2222", "Example.COM:22": "paas@example.com:22",
		"ssh://paas@example.com:2222": "paas@example.com:2222", "ssh://me@h": "me@h:2222", "me@h:1": "me@h:1",
		"[::1]:2222": "paas@[::1]:2222", "::1": "paas@[::1]:2222", "10.0.0.1:22/": "paas@10.0.0.1:22",
	} {
		h, err := parseServer(in)
		if got := h.user + "@" + h.String(); err != nil || got != want {
			t.Errorf("%q: %s %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"-oProxyCommand=x", "a b", "h:0", "h:99999", "h:x", "-x@h", "h/x", "http://h", "h\n", "@h", "ssh://"} {
		if h, err := parseServer(in); err == nil {
			t.Errorf("%q: took %v", in, h)
		}
	}
}

func FuzzParseServer(f *testing.F) {
	for _, s := range []string{"", "h:22", "[::1]:2222", "ssh://u@h:1", "-o x", "a@b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		h, err := parseServer(in)
		if err != nil {
			return
		}
		// Both become one argument of ssh, behind "--".
		if strings.HasPrefix(h.user, "-") || strings.HasPrefix(h.host, "-") || strings.ContainsAny(h.user+h.host, " \t\r\n\x00'\"`$;&|<>()\\/@%") {
			t.Fatalf("%q gave %+v", in, h)
		}
		again, err := parseServer("ssh://" + h.user + "@" + h.String())
		if err != nil || again != h {
			t.Fatalf("%q: %+v, then %+v %v", in, h, again, err)
		}
	})
}

func TestParseRemote(t *testing.T) {
	for in, want := range map[string]string{
		"ssh://paas@example.com:2222/shop.git": "example.com:2222 shop",
		"ssh://paas@example.com/shop":          "example.com:22 shop",
		"paas@Example.com:shop.git":            "example.com:22 shop",
		"ssh://paas@[::1]:2222/a.git":          "[::1]:2222 a",
	} {
		h, app, ok := parseRemote(in)
		if got := h.String() + " " + app; !ok || got != want {
			t.Errorf("%q: %s %v, want %s", in, got, ok, want)
		}
	}
	for _, in := range []string{
		"", "https://github.com/x/y.git", "git@github.com:me/shop.git", "ssh://paas@h/../x.git", "ssh://h/shop.git", "/srv/x.git",
		"ssh://paas@h/Shop.git", "ext::sh -c x", "paas@-oX:shop", "ssh://paas@h:x/shop.git", "ssh://paas@h/shop.git?x", "paas@h:",
	} {
		if h, app, ok := parseRemote(in); ok {
			t.Errorf("%q: took %v %s", in, h, app)
		}
	}
}

func FuzzParseRemote(f *testing.F) {
	for _, s := range []string{"ssh://paas@h:2222/shop.git", "paas@h:shop", "ssh://[::1]/x", "ext::x", "a:b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		h, app, ok := parseRemote(in)
		if !ok {
			return
		}
		if !nameOfApp.MatchString(app) || !h.valid() {
			t.Fatalf("%q gave %+v %q", in, h, app)
		}
		again, same, ok := parseRemote("ssh://" + h.user + "@" + h.String() + "/" + app + ".git")
		if !ok || again != h || same != app {
			t.Fatalf("%q: %+v %s, then %+v %s %v", in, h, app, again, same, ok)
		}
	})
}

func TestParseScale(t *testing.T) {
	for in, want := range map[string]change{
		"web=3":               {kind: "web", n: 3},
		"web=0":               {kind: "web"},
		"worker+2":            {kind: "worker", n: 2, relative: true},
		"web-1":               {kind: "web", n: -1, relative: true},
		"my-web-1":            {kind: "my-web", n: -1, relative: true},
		"web=2:Standard-2X":   {kind: "web", n: 2, size: "Standard-2X"},
		"worker+1:Private-4_": {kind: "worker", n: 1, relative: true, size: "Private-4_"},
	} {
		if got, err := parseScale(in); err != nil || got != want {
			t.Errorf("%q: %+v %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "web", "web=", "web=x", "=3", "web=1:", "web==1", "web=99999999999", "web 1", "web=1\n"} {
		if got, err := parseScale(in); err == nil {
			t.Errorf("%q: took %+v", in, got)
		}
	}
}

func FuzzParseScale(f *testing.F) {
	for _, s := range []string{"web=3:Standard-2X", "worker+1", "a-b-1", "web=2147483648"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		ch, err := parseScale(in)
		if err != nil {
			return
		}
		if ch.kind == "" || !ch.relative && ch.n < 0 || strings.ContainsAny(ch.kind+ch.size, " \n=+:") {
			t.Fatalf("%q gave %+v", in, ch)
		}
	})
}

func TestResolveScale(t *testing.T) {
	formation := []api.Formation{{Type: "web", Quantity: 1}}
	up, err := resolve([]change{{kind: "web", relative: true, n: -5}}, formation)
	if err != nil || *up[0].Quantity != 0 || up[0].Size != nil {
		t.Errorf("web-5: %+v %v", up, err)
	}
	if _, err := resolve([]change{{kind: "nope", relative: true, n: 1}}, formation); err == nil {
		t.Error("nope+1 was taken")
	}
}

func TestShellQuote(t *testing.T) {
	for _, v := range []string{"", "plain", "a b", "it's", "$(x) `y` \\ \"", "line\nline", "grün", "-n", "~", "a=b", "'"} {
		out, err := exec.Command("printf", "%s", v).Output() // what a shell must give back
		if err != nil {
			t.Fatal(err)
		}
		if got := unquote(t, shellQuote(v)); got != string(out) {
			t.Errorf("%q: quoted %s, read back %q", v, shellQuote(v), got)
		}
	}
}

// unquote reads a word as POSIX shells do, for the two forms we write.
func unquote(t *testing.T, word string) string {
	t.Helper()
	var b strings.Builder
	quoted := false
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c == '\'':
			quoted = !quoted
		case c == '\\' && !quoted:
			i++
			b.WriteByte(word[i])
		case !quoted && strings.IndexByte(" \t\n$`\"\\;&|<>()*?[]#~!{}", c) >= 0:
			t.Fatalf("%s holds %q unquoted", word, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func TestTail(t *testing.T) {
	l := &tail{most: 2}
	for _, p := range []string{"one\ntwo\r\nth", "ree\n", strings.Repeat("x", 5000), "\nlast"} {
		if n, err := l.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := l.lines(); len(got) != 2 || len(got[0]) != 1024 || got[1] != "last" {
		t.Errorf("%.40q", got)
	}
}

func TestLogWriter(t *testing.T) {
	const in = "2026-05-01T12:00:00.000000+00:00 app[web.1]: \x1b[31mred\x1b[0m \x1b[2J\nno head\npart"
	for colour, want := range map[bool]string{
		false: "2026-05-01T12:00:00.000000+00:00 app[web.1]: red \\x1b[2J\nno head\npart\n",
		true:  "m2026-05-01T12:00:00.000000+00:00 app[web.1]:\x1b[0m \x1b[31mred\x1b[0m \\x1b[2J\x1b[0m\nno head\npart\n",
	} {
		var out bytes.Buffer
		w := &logWriter{w: &out, colour: colour}
		for _, b := range []byte(in) {
			if _, err := w.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.flush(); err != nil || !strings.HasSuffix(out.String(), want) {
			t.Errorf("colour %v: %q %v", colour, out.String(), err)
		}
	}
}

func TestAgoAndSize(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "", 5 * time.Second: "~ 5s ago", 5 * time.Minute: "~ 5m ago", 3 * time.Hour: "~ 3h ago", 48 * time.Hour: "",
	} {
		if got := ago(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 2048: "2.0 KB", 20 << 20: "20.0 MB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestReadLogin(t *testing.T) {
	h := sshHost{host: "h", port: 1}
	if l, err := readLogin(h, []byte(`{"url":"https://h","token":"t","email":"e"}`+"\n")); err != nil || l.Token != "t" {
		t.Errorf("%+v %v", l, err)
	}
	for _, bad := range []string{"", "welcome", `{}`, `{"url":"https://h"}`, `{"url":"file:///etc","token":"t"}`, `{"token":"t"}`} {
		if _, err := readLogin(h, []byte(bad)); err == nil {
			t.Errorf("took %q", bad)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	for shell, args := range map[string][]string{"bash": {"-n"}} {
		var script, complaint bytes.Buffer
		if code := run(t.Context(), []string{"completion", shell}, nil, &script, &complaint, nil); code != 0 {
			t.Fatalf("%s: %d %s", shell, code, &complaint)
		}
		cmd := exec.Command(shell, args...)
		cmd.Stdin = &script
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not read its script: %v %s", shell, err, out)
		}
	}
}
