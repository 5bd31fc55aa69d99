package server

import (
	"maps"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseSettings(t *testing.T) {
	got, err := ParseSettings("\uFEFF# a comment\r\nexport A=1\r\n\n B = two words # three \nC='it is\n\"as\" $it #is'\nD=\"x\\n\\t\\\"\\\\\\$ \\q\nnext\"  # behind\nE=\nF=a#b=c\nexported=1\n  export\tG=2")
	want := map[string]string{"A": "1", "B": "two words", "C": "it is\n\"as\" $it #is", "D": "x\n\t\"\\$ \\q\nnext", "E": "", "F": "a#b=c", "exported": "1", "G": "2"}
	if err != nil || !maps.Equal(got, want) {
		t.Fatalf("%q %v", got, err)
	}
	for text, says := range map[string]string{
		"A=1\nsecretword\n":        "line 2: it is not of the form",
		"A=1\n\n1B=secretword":     "line 3: a name may",
		"A='1\n2'\nB=\"secretword": "line 3: B: the quote is not closed",
		"A='1' secretword":         "line 1: A: something follows",
		"A=1\nB=2\nA=secretword":   "line 3: A is set a second time, after line 1",
		"A=\x00":                   "not text",
		"A=\xff":                   "not text",
		"A-B=1":                    "line 1: a name",
		"=secretword":              "line 1: a name",
	} {
		vars, err := ParseSettings(text)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secretword") {
			t.Errorf("%q: %v %v, want %q", text, vars, err, says)
		}
	}
}

// What is written is read back to the byte.
func FuzzSettings(f *testing.F) {
	for _, v := range []string{"", "plain", "a 'b' \"c\" $d `e` \\ \r\n\t x", " # ", "'", "\"\\", "é\u2028", "a\\", "\r"} {
		f.Add(v, v+"=")
	}
	f.Fuzz(func(t *testing.T, value, text string) {
		if _, err := ParseSettings(text); err == nil && !utf8.ValidString(text) {
			t.Error("it took what is no text")
		}
		if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return
		}
		want := map[string]string{"A": value, "B": "x"}
		got, err := ParseSettings(FormatSettings(want))
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%q became %q (%v) by %q", value, got["A"], err, FormatSettings(want))
		}
	})
}
