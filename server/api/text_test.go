package api

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for _, c := range []struct{ in, plain, coloured string }{
		{"hello\tworld", "hello\tworld", "hello\tworld"},
		{"grün ⬢", "grün ⬢", "grün ⬢"},
		{"\x1b[31mred\x1b[0m", "red", "\x1b[31mred\x1b[0m"},
		{"\x1b[2J", `\x1b[2J`, `\x1b[2J`},
		{"\x1b]0;title\a", `\x1b]0;title\x07`, `\x1b]0;title\x07`},
		{"a\r\nb", `a\r\nb`, `a\r\nb`},
		{"\xff", `\xff`, `\xff`},
		{"\u009b31m", `\u009b31m`, `\u009b31m`},
		{"a\u202eb", `a\u202eb`, `a\u202eb`},
		{"\x7f", `\x7f`, `\x7f`},
		{"\x1b[" + strings.Repeat("1;", 40) + "m", `\x1b[` + strings.Repeat("1;", 40) + "m", `\x1b[` + strings.Repeat("1;", 40) + "m"},
	} {
		if got := Printable(c.in, false); got != c.plain {
			t.Errorf("Printable(%q, false) = %q, want %q", c.in, got, c.plain)
		}
		if got := Printable(c.in, true); got != c.coloured {
			t.Errorf("Printable(%q, true) = %q, want %q", c.in, got, c.coloured)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b[31mred\x1b[0m\x1b]52;c;Zm9v\a")
	f.Add("\xc2\x9b\xff\x00\u2028")
	f.Fuzz(func(t *testing.T, in string) {
		out := Printable(in, false)
		if !utf8.ValidString(out) {
			t.Fatalf("not UTF-8: %q", out)
		}
		for _, r := range out {
			if !harmless(r) {
				t.Fatalf("%U came through in %q", r, out)
			}
		}
		if again := Printable(out, false); again != out {
			t.Fatalf("not stable: %q then %q", out, again)
		}
	})
}

func TestErrorText(t *testing.T) {
	e := &Error{Message: "cannot", Next: "Try: paas apps", Status: 503, RequestID: "r1"}
	if got, want := e.Error(), "cannot\nTry: paas apps\nRequest: r1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e = &Error{Message: "no such app", Status: 404, RequestID: "r1"}
	if got, want := e.Error(), "no such app"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
