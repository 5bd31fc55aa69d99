package router

import (
	"regexp"
	"strings"
	"testing"
)

func TestNormalHost(t *testing.T) {
	for in, want := range map[string]string{
		"app.test": "app.test", "APP.Test.": "app.test", "app.test:8080": "app.test", "app.test.:80": "app.test", "app.test:": "app.test",
		"a_b.test": "a_b.test", "127.0.0.1:80": "127.0.0.1", "[::1]:80": "[::1]", "[0:0::1]": "[::1]",
		"": "", ".": "", "..": "", "0..": "", "a..b": "", ".a": "", "app.test:80x": "", "app.test:123456": "", "a b": "", "a/b": "", "x@a": "",
		"a\x00": "", "é.test": "", "[::1": "", "[::1]x": "", "[1.2.3.4]": "", "[fe80::1%25eth0]": "", "[fe80::1%eth0]": "", "a:80:90": "", strings.Repeat("a", 254): "",
	} {
		if got, ok := normalHost(in); got != want || ok != (want != "") {
			t.Errorf("normalHost(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
}

var safeHost = regexp.MustCompile(`^([a-z0-9._-]+|\[[0-9a-f:.]+\])$`)

func FuzzNormalHost(f *testing.F) {
	for _, s := range []string{"app.test", "A.B:80", "[::1]:443", "a..b", "x\n", "[::ffff:1.2.3.4]", "a.:", "0.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, ok := normalHost(s)
		if !ok {
			if host != "" {
				t.Fatalf("%q is refused and gives %q", s, host)
			}
			return
		}
		if !safeHost.MatchString(host) {
			t.Fatalf("%q gives %q", s, host)
		}
		if again, ok := normalHost(host); !ok || again != host {
			t.Fatalf("%q gives %q, which gives %q", s, host, again)
		}
		_ = hostPort(s)
	})
}

// The scanner only reads along, so what matters is that it survives anything,
// in any split, and comes to the same verdict.
func FuzzHeadScanner(f *testing.F) {
	for _, c := range smuggling {
		f.Add([]byte(c.raw[:min(len(c.raw), 500)]), uint8(7))
	}
	f.Fuzz(func(t *testing.T, raw []byte, step uint8) {
		whole, parts := headScanner{limit: 1 << 16}, headScanner{limit: 1 << 16}
		whole.feed(raw)
		n := int(step%32) + 1
		for rest := raw; len(rest) > 0; {
			k := min(n, len(rest))
			parts.feed(rest[:k])
			rest = rest[k:]
		}
		if whole.last.Load() != parts.last.Load() || whole.count != parts.count {
			t.Fatalf("whole: %d heads, verdict %d; in steps of %d: %d heads, verdict %d", whole.count, whole.last.Load(), n, parts.count, parts.last.Load())
		}
	})
}

func FuzzFrameScanner(f *testing.F) {
	f.Add([]byte{0x81, 5, 'h', 'e', 'l', 'l', 'o', 0x88, 0}, uint8(1))
	f.Add([]byte{1, 126, 0, 3, 1, 2, 3, 0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, uint8(3))
	f.Fuzz(func(t *testing.T, raw []byte, step uint8) {
		var whole, parts frameScanner
		if n := whole.feed(raw, false); n != len(raw) {
			t.Fatalf("kept back %d bytes", len(raw)-n)
		}
		n := int(step%16) + 1
		for rest := raw; len(rest) > 0; {
			k := min(n, len(rest))
			parts.feed(rest[:k], false)
			rest = rest[k:]
		}
		if whole != parts && whole.boundary() != parts.boundary() {
			t.Fatalf("%+v in one piece, %+v in pieces of %d", whole, parts, n)
		}
		var stopping frameScanner
		stopping.feed(raw[:len(raw)/2], false)
		if n := stopping.feed(raw[len(raw)/2:], true); n < len(raw)-len(raw)/2 && !stopping.boundary() {
			t.Fatal("stopped where no frame ends")
		}
	})
}
