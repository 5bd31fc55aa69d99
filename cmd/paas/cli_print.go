package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"paas/server/api"
)

// printable makes foreign text harmless for a terminal.
func printable(s string) string { return api.Printable(s, false) }

// say writes a line to stdout.
func (c *cli) say(format string, args ...any) { fmt.Fprintf(c.out, format+"\n", args...) }

// sgr colours text when stdout shows colours.
func (c *cli) sgr(code, text string) string {
	if !c.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// header writes "=== title".
func (c *cli) header(format string, args ...any) {
	c.say("%s %s", c.sgr("90", "==="), c.sgr("1", fmt.Sprintf(format, args...)))
}

// appName is an app as Heroku shows it.
func appName(app string) string { return "⬢ " + printable(app) }

// action says what is being done on stderr, runs it, and says how it went.
// What do returns is shown behind "done".
func (c *cli) action(what string, do func() (string, error)) error {
	fmt.Fprintf(c.err, "%s... ", what)
	more, err := do()
	if err != nil {
		fmt.Fprintln(c.err, "!")
		return err
	}
	if more != "" {
		more = ", " + more
	}
	fmt.Fprintf(c.err, "done%s\n", more)
	return nil
}

// json writes v so that a terminal can show it: what JSON leaves as it is but
// a terminal obeys (DEL and C1) is escaped too, which means the same.
func (c *cli) json(v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode as JSON: %w", err)
	}
	var safe strings.Builder
	for _, r := range b.String() {
		if r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			fmt.Fprintf(&safe, `\u%04x`, r)
			continue
		}
		safe.WriteRune(r)
	}
	_, err := io.WriteString(c.out, safe.String())
	return err
}

// pairs writes aligned "key: value" lines, sorted by key.
func pairs(w io.Writer, m map[string]string) {
	rows := make([][2]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		rows = append(rows, [2]string{k, m[k]})
	}
	fields(w, rows)
}

// fields writes aligned "key: value" lines; foreign text is made harmless.
func fields(w io.Writer, rows [][2]string) {
	wide := 0
	for _, r := range rows {
		wide = max(wide, utf8.RuneCountInString(printable(r[0])))
	}
	for _, r := range rows {
		k := printable(r[0])
		fmt.Fprintln(w, strings.TrimRight(k+": "+strings.Repeat(" ", wide-utf8.RuneCountInString(k))+printable(r[1]), " "))
	}
}

// table writes rows in aligned columns; foreign text is made harmless.
func table(w io.Writer, rows [][]string) {
	var wide []int
	for _, r := range rows {
		for i := range r {
			r[i] = printable(r[i])
			if i == len(wide) {
				wide = append(wide, 0)
			}
			wide[i] = max(wide[i], utf8.RuneCountInString(r[i]))
		}
	}
	for _, r := range rows {
		var b strings.Builder
		for i, cell := range r {
			b.WriteString(cell)
			b.WriteString(strings.Repeat(" ", wide[i]-utf8.RuneCountInString(cell)+2))
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// stamp is "2026/05/01 12:00:00 +0000", in the local zone, as Heroku's command has it.
func stamp(t time.Time) string { return t.Local().Format("2006/01/02 15:04:05 -0700") }

// when is a time with its age: "2026/05/01 12:00:00 +0000 (~ 5m ago)".
func when(t, now time.Time) string {
	s := stamp(t)
	if a := ago(now.Sub(t)); a != "" {
		s += " (" + a + ")"
	}
	return s
}

func ago(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < time.Minute:
		return fmt.Sprintf("~ %ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("~ %dm ago", int(d.Minutes()))
	case d < 25*time.Hour:
		return fmt.Sprintf("~ %dh ago", int(d.Hours()))
	}
	return ""
}

// size is bytes for people.
func size(n int64) string {
	const unit = 1024
	v, names := float64(n), []string{"B", "KB", "MB", "GB", "TB"}
	i := 0
	for v >= unit && i < len(names)-1 {
		v /= unit
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, names[i])
}
