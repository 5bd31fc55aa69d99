package server

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxSettings bounds a file of assignments, in bytes; what an app takes is far less.
const MaxSettings = 1 << 20

var settingKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ParseSettings reads assignments as .env files have them:
//
//	# a comment
//	export KEY=value      # a comment behind a blank
//	QUOTED='as it is, also over several lines'
//	ESCAPED="\n \r \t \" \\ \$ stand for themselves, lines may follow"
//
// Nothing is expanded. Errors name the line and never its value.
func ParseSettings(text string) (map[string]string, error) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, fmt.Errorf("it is not text: config vars are UTF-8 without NUL bytes")
	}
	p := dotenv{rest: strings.ReplaceAll(strings.TrimPrefix(text, "\uFEFF"), "\r\n", "\n"), line: 1}
	vars, at := map[string]string{}, map[string]int{}
	for p.skip() {
		line := p.line
		key, err := p.key()
		if err != nil {
			return nil, err
		}
		if first, twice := at[key]; twice {
			return nil, fmt.Errorf("line %d: %s is set a second time, after line %d", line, key, first)
		}
		if vars[key], err = p.value(); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", line, key, err)
		}
		at[key] = line
	}
	return vars, nil
}

type dotenv struct {
	rest string
	line int
}

// take consumes n bytes.
func (p *dotenv) take(n int) string {
	s := p.rest[:n]
	p.rest = p.rest[n:]
	p.line += strings.Count(s, "\n")
	return s
}

// skip goes to the next assignment; false at the end.
func (p *dotenv) skip() bool {
	for {
		p.take(len(p.rest) - len(strings.TrimLeft(p.rest, " \t\n\r")))
		if !strings.HasPrefix(p.rest, "#") {
			return p.rest != ""
		}
		p.take(p.lineEnd())
	}
}

func (p *dotenv) lineEnd() int {
	if i := strings.IndexByte(p.rest, '\n'); i >= 0 {
		return i
	}
	return len(p.rest)
}

// key reads up to the equal sign.
func (p *dotenv) key() (string, error) {
	line := p.rest[:p.lineEnd()]
	i := strings.IndexByte(line, '=')
	if i < 0 {
		return "", fmt.Errorf("line %d: it is not of the form KEY=VALUE", p.line)
	}
	key := strings.TrimSpace(line[:i])
	if rest, ok := strings.CutPrefix(key, "export"); ok && rest != strings.TrimLeft(rest, " \t") {
		key = strings.TrimSpace(rest)
	}
	if !settingKey.MatchString(key) {
		return "", fmt.Errorf("line %d: a name may hold only letters, digits and underscores", p.line)
	}
	p.take(i + 1)
	return key, nil
}

// value reads what stands behind the equal sign.
func (p *dotenv) value() (string, error) {
	p.take(len(p.rest) - len(strings.TrimLeft(p.rest, " \t")))
	if p.rest == "" || p.rest[0] != '\'' && p.rest[0] != '"' {
		v := p.take(p.lineEnd())
		for i := range len(v) {
			if v[i] == '#' && (i == 0 || v[i-1] == ' ' || v[i-1] == '\t') {
				v = v[:i]
				break
			}
		}
		return strings.TrimSpace(v), nil
	}
	v, err := p.quoted()
	if err != nil {
		return "", err
	}
	if after := strings.TrimSpace(p.take(p.lineEnd())); after != "" && after[0] != '#' {
		return "", fmt.Errorf("something follows the closing quote")
	}
	return v, nil
}

func (p *dotenv) quoted() (string, error) {
	quote := p.rest[0]
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		c := p.rest[i]
		switch {
		case c == quote:
			p.take(i + 1)
			return b.String(), nil
		case c == '\\' && quote == '"' && i+1 < len(p.rest):
			i++
			b.WriteString(unescape(p.rest[i]))
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("the quote is not closed")
}

// unescape is what a backslash and c stand for in double quotes.
func unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case '"', '\\', '$', '`':
		return string(c)
	}
	return `\` + string([]byte{c})
}

// FormatSettings writes vars so that ParseSettings reads the same.
func FormatSettings(vars map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		b.WriteString(k + "=" + quoteSetting(vars[k]) + "\n")
	}
	return b.String()
}

func quoteSetting(v string) string {
	switch {
	case v == "" || !strings.ContainsAny(v, "\"'\\#\n\r$` \t") && v == strings.TrimSpace(v):
		return v
	case !strings.ContainsAny(v, "'\r"):
		return "'" + v + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", `\r`, "$", `\$`, "`", "\\`").Replace(v) + `"`
}
