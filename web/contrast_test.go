package web

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	cssComment  = regexp.MustCompile(`(?s)/\*.*?\*/`)
	cssVariable = regexp.MustCompile(`(--[a-z0-9-]+):\s*(#[0-9a-fA-F]{3,6})\b`)
)

// themes are the colour variables of the files: of the light theme, and of
// the dark one as a browser asks for it and as a person chose it.
func themes(t *testing.T, files ...string) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{"light": {}, "dark by the browser": {}, "dark by choice": {}}
	for _, file := range files {
		b, err := staticFiles.ReadFile("static/css/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range regexp.MustCompile(`([^{}]*:root[^{}]*)\{([^{}]*)\}`).FindAllStringSubmatch(cssComment.ReplaceAllString(string(b), ""), -1) {
			theme := "light"
			switch selector := strings.TrimSpace(rule[1]); {
			case strings.Contains(selector, "data-theme=dark"):
				theme = "dark by choice"
			case strings.Contains(selector, "not([data-theme=light])"):
				theme = "dark by the browser"
			}
			for _, v := range cssVariable.FindAllStringSubmatch(rule[2], -1) {
				all[theme][v[1]] = v[2]
			}
		}
	}
	for _, dark := range []string{"dark by the browser", "dark by choice"} {
		for name, colour := range all["light"] {
			if _, ok := all[dark][name]; !ok {
				all[dark][name] = colour
			}
		}
	}
	return all
}

// luminance is that of WCAG 2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	hex = strings.TrimPrefix(hex, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || len(hex) != 6 {
		t.Fatalf("%q is no colour", hex)
	}
	channel := func(v uint64) float64 {
		c := float64(v&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(n>>16) + 0.7152*channel(n>>8) + 0.0722*channel(n)
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Text can be read on each ground in both themes (WCAG 2.2 AA), and what is
// no text but tells a control from its ground is seen.
func TestColoursHaveContrast(t *testing.T) {
	pairs := []struct {
		ink, ground string
		least       float64
	}{{"--on-accent", "--accent", 4.5}, {"--text", "--bad-ground", 4.5}, {"--text", "--good-ground", 4.5}, {"--bad", "--bad-ground", 4.5},
		{"--accent", "--good-ground", 4.5}, {"--accent", "--bad-ground", 4.5}, {"--dim", "--good-ground", 4.5}, {"--dim", "--bad-ground", 4.5}, {"--good", "--good-ground", 4.5}}
	for _, ink := range []string{"--text", "--dim", "--accent", "--good", "--bad", "--busy"} {
		for _, ground := range []string{"--ground", "--raised"} {
			pairs = append(pairs, struct {
				ink, ground string
				least       float64
			}{ink, ground, 4.5})
		}
	}
	for theme, colours := range themes(t, "base.css") {
		for _, p := range pairs {
			if c := contrast(t, colours[p.ink], colours[p.ground]); c < p.least {
				t.Errorf("%s: %s %s on %s %s has a contrast of %.2f, less than %.1f", theme, p.ink, colours[p.ink], p.ground, colours[p.ground], c, p.least)
			}
		}
	}
}

// The dark theme is written down twice, as CSS has it.
func TestDarkIsOneTheme(t *testing.T) {
	for _, files := range [][]string{{"base.css"}, {"base.css", "ansi.css"}} {
		all := themes(t, files...)
		asked, chosen := all["dark by the browser"], all["dark by choice"]
		for name := range all["light"] {
			if asked[name] != chosen[name] {
				t.Errorf("%v: %s is %s as the browser asks and %s by choice", files, name, asked[name], chosen[name])
			}
		}
	}
}

// What programs print in colours can be read on every ground, theirs too.
func TestTerminalColoursHaveContrast(t *testing.T) {
	for theme, colours := range themes(t, "base.css", "ansi.css") {
		for i := range 16 {
			name := "--a" + strconv.Itoa(i)
			for _, ground := range []string{"--ground", "--raised"} {
				if c := contrast(t, colours[name], colours[ground]); c < 4.5 {
					t.Errorf("%s: %s %s on %s has a contrast of %.2f", theme, name, colours[name], ground, c)
				}
			}
		}
	}
	css, err := staticFiles.ReadFile("static/css/ansi.css")
	if err != nil {
		t.Fatal(err)
	}
	// A ground of the program's brings its own ink, so it must come last: ink
	// and ground of any two colours could not be read.
	if last, first := max(strings.LastIndex(string(css), ".a-fg"), strings.LastIndex(string(css), ".a-dim")), strings.Index(string(css), ".a-bg"); last > first {
		t.Error("in ansi.css a rule of .a-fg or .a-dim comes after one of .a-bg: coloured text on a coloured ground has any contrast")
	}
}
