package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestColoursOfALine(t *testing.T) {
	for _, c := range []struct {
		line string
		want []span
	}{
		{"plain", []span{{"", "plain"}}},
		{"", nil},
		{"\x1b[31mred\x1b[0m and not", []span{{"a-fg1", "red"}, {"", " and not"}}},
		{"\x1b[1;4;3;92mall\x1b[22;24mless\x1b[m", []span{{"a-fg10 a-bold a-italic a-underline", "all"}, {"a-fg10 a-italic", "less"}}},
		{"\x1b[38;5;196mcube\x1b[38;5;244mgrey", []span{{"a-fg9", "cube"}, {"a-fg8", "grey"}}},
		{"\x1b[38;2;250;10;10mtrue\x1b[38:2::0:0:230mcolons\x1b[38:5:2m5", []span{{"a-fg9", "true"}, {"a-fg4", "colons"}, {"a-fg2", "5"}}},
		{"\x1b[38;5;1;4mboth", []span{{"a-fg1 a-underline", "both"}}},
		{"\x1b[31;42mpair", []span{{"a-bg2", "pair"}}},
		{"\x1b[7mturned\x1b[31mround", []span{{"a-reverse", "turned"}, {"a-bg1", "round"}}},
		{"same\x1b[0m look\x1b[31m\x1b[0m again", []span{{"", "same look"}, {"", " again"}}},
		{"\x1b[2mdim\x1b[31m\x1b[1mbold", []span{{"a-dim", "dim"}, {"a-fg1 a-bold", "bold"}}},
		{"\x1b[8mhidden\x1b[28m is seen", []span{{"", "hidden is seen"}}},
		{"a\x1b[2Kb\x1b[10;20Hc\x1b[?25ld", []span{{"", "abcd"}}},
		{"\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x07.", []span{{"", "link."}}},
		{"\x1b]0;never ended", []span{{"", "␛]0;never ended"}}},
		{"\x1b[31", []span{{"", "␛[31"}}},
		{"\x1b", []span{{"", "␛"}}},
		{"\x1bc", []span{{"", "␛c"}}},
		{"bell\a back\b del\x7f c1\u009b nul\x00", []span{{"", "bell␇ back␈ del␡ c1� nul␀"}}},
		{"10%\r20%\r", []span{{"", "10%␍20%"}}},
		{"abc\u202edcba", []span{{"", "abc�dcba"}}},
		{"bro\xffken\u2028", []span{{"", "bro�ken�"}}},
		{"\x1b[38;5;999mno\x1b[38;9mno", []span{{"", "nono"}}},
		{"\x1b[0;0;0;99999999999999999999mno", []span{{"", "no"}}},
	} {
		if got := ansi(c.line); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q:\n%q, want\n%q", c.line, got, c.want)
		}
	}
}

func TestALineOfColoursCostsLittle(t *testing.T) {
	var line, text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&line, "\x1b[%dmx", 31+i%2)
		text.WriteString("x")
	}
	got := ansi(line.String())
	if len(got) != maxSpans || got[maxSpans-1].Class != "" {
		t.Fatalf("%d spans, the last %q", len(got), got[len(got)-1].Class)
	}
	if textOf(got) != text.String() {
		t.Fatal("text was lost")
	}
}

func textOf(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		b.WriteString(s.Text)
	}
	return b.String()
}

func TestSpansAsTheBrowserReadsThem(t *testing.T) {
	b, err := json.Marshal(ansi("a\x1b[31m</script>"))
	if err != nil || string(b) != `["a",["a-fg1","\u003c/script\u003e"]]` {
		t.Fatalf("%s %v", b, err)
	}
}

func TestEveryColourHasItsClass(t *testing.T) {
	css, err := staticFiles.ReadFile("static/css/ansi.css")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"bold", "dim", "italic", "underline", "reverse"}
	for i := range 16 {
		names = append(names, fmt.Sprintf("fg%d", i), fmt.Sprintf("bg%d", i))
	}
	for _, n := range names {
		if !regexp.MustCompile(`\.a-` + n + `\b`).Match(css) {
			t.Errorf("css/ansi.css has no .a-%s", n)
		}
	}
}

func FuzzANSI(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[31mred\x1b[0m", "\x1b[38;2;1;2;3;48:5:7mx", "\x1b]8;;u\x1b\\t", "\x1b[", "\x1b]", "\x1b(B", "\u202e\x00\xff\u2028", "<script>\x1b[1m&"} {
		f.Add(s)
	}
	classes := regexp.MustCompile(`^(a-(fg|bg)?[a-z0-9]+( a-[a-z]+)*)?$`)
	page := template.Must(template.New("").Parse(`{{range .}}<span class="{{.Class}}">{{.Text}}</span>{{end}}`))
	f.Fuzz(func(t *testing.T, line string) {
		got := ansi(line)
		if len(got) > maxSpans {
			t.Fatalf("%d spans", len(got))
		}
		for _, s := range got {
			if !classes.MatchString(s.Class) || !utf8.ValidString(s.Text) {
				t.Fatalf("%q", s)
			}
			for _, r := range s.Text {
				if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
					t.Fatalf("%q holds %q", s.Text, r)
				}
			}
		}
		if !strings.ContainsRune(line, 0x1b) && utf8.RuneCountInString(textOf(got)) != utf8.RuneCountInString(strings.TrimRight(line, "\r\n")) {
			t.Fatalf("%q became %q", line, textOf(got))
		}
		var b strings.Builder
		if err := page.Execute(&b, got); err != nil || strings.Contains(b.String(), "<script") {
			t.Fatal(b.String(), err)
		}
	})
}
