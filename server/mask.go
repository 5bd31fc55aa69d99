package server

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// What is masked. A value is a secret when it is at least minSecret bytes long
// and does not read like words: a mode, a region, a host, a path, a number, a
// date ("production", "us-east-1", "/var/lib/app", "8080") would tear holes
// into every line that says the same. secretText decides that by taking the
// value apart at everything that is no letter or digit. Beside the value as a
// whole, these parts of it are masked, because programs print them alone:
//
//   - each line of a value of several lines (keys in PEM),
//   - the password of a URL, as written and decoded, and with its user in the
//     base64 of Basic authentication; a password that reads like a word
//     ("postgres") only between its ":" and "@",
//   - each string within JSON, escaped as it is there and not.
//
// The name can say it, too: what is called PASSWORD, SECRET, TOKEN and the
// like is masked whatever it reads like, from minSecret bytes on.
const (
	minSecret   = 8
	minPassword = 6       // of a URL
	maxWord     = 20      // longer "words" are none
	maxMasked   = 4 << 10 // pieces of one release
)

var (
	// word is what people write: one case, Capitalized, camelCase, with a
	// short number behind.
	word = regexp.MustCompile(`^(?:[A-Z]+|[A-Z]?[a-z]+(?:[A-Z][a-z]{2,})*)[0-9]{0,4}$`)
	// quantity is a number, with a unit perhaps.
	quantity   = regexp.MustCompile(`^[0-9]{1,16}[A-Za-z]{0,3}$`)
	timestamp  = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]{5,18}(Z|[+-][0-9:]{2,6})?$`)
	pemBorder  = regexp.MustCompile(`^-----(BEGIN|END) `)
	secretName = regexp.MustCompile(`(?i)(^|_)(SECRETS?|TOKENS?|PASS|PASSWORDS?|PASSWD|PASSPHRASE|PWD|APIKEY|(API|PRIVATE|ACCESS|SECRET|MASTER|ENCRYPTION|SIGNING|LICENSE)_?KEY|CREDENTIALS?|SALT|PEPPER)($|_)`)
	constant   = regexp.MustCompile(`^(?i)(true|false|null|none|enabled|disabled|required|optional)$|^[0-9.]+$`)
)

// secretText says whether a text reads like a secret rather than like words.
func secretText(v string) bool {
	if len(v) < minSecret || timestamp.MatchString(v) {
		return false
	}
	odd := 0
	tokens := strings.FieldsFunc(v, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r < 0x80
	})
	for _, t := range tokens {
		switch {
		case len(t) <= maxWord && word.MatchString(t), quantity.MatchString(t):
		case len(t) <= 3: // "v2", "4o": one or two make no secret
			odd++
		default:
			return true
		}
	}
	return odd > 2
}

// secretsOf gives the pieces of a config var's value that are masked.
func secretsOf(name, value string) []string {
	var pieces []string
	add := func(s string) {
		if s = strings.TrimSpace(s); len(s) >= minPassword {
			pieces = append(pieces, s)
		}
	}
	named := secretName.MatchString(name)
	secret := func(s string) bool {
		return len(s) >= minSecret && (secretText(s) || named && !constant.MatchString(s)) && !pemBorder.MatchString(s)
	}
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); secret(line) {
			add(line)
		}
	}
	for _, s := range urlSecrets(strings.TrimSpace(value)) {
		add(s)
	}
	jsonStrings(value, func(s string) {
		for line := range strings.Lines(s) {
			if line = strings.TrimSpace(line); secret(line) {
				add(line)
				add(escaped(line))
			}
		}
		if secret(strings.TrimSpace(s)) {
			add(escaped(s))
		}
	})
	return pieces
}

// urlSecrets are the pieces of a URL with a password.
func urlSecrets(v string) []string {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.User == nil {
		return nil
	}
	plain, ok := u.User.Password()
	if !ok || plain == "" {
		return nil
	}
	_, rest, _ := strings.Cut(v, "://")
	info, _, _ := strings.Cut(rest, "/")
	info = info[:max(0, strings.LastIndexByte(info, '@'))]
	_, written, _ := strings.Cut(info, ":")
	pieces := []string{v, base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + plain))}
	for _, p := range []string{written, plain} {
		if len(p) >= minPassword && (len(p) > maxWord || !word.MatchString(p) && !constant.MatchString(p)) {
			pieces = append(pieces, p)
			continue
		}
		pieces = append(pieces, ":"+p+"@")
	}
	return pieces
}

// jsonStrings calls each for every string within a JSON object or list.
func jsonStrings(v string, each func(string)) {
	t := strings.TrimSpace(v)
	if !strings.HasPrefix(t, "{") && !strings.HasPrefix(t, "[") {
		return
	}
	dec := json.NewDecoder(strings.NewReader(t))
	for {
		tok, err := dec.Token()
		if err != nil {
			return
		}
		if s, ok := tok.(string); ok {
			each(s)
		}
	}
}

// escaped is a text as it stands within JSON.
func escaped(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return strings.Trim(strings.TrimSpace(b.String()), `"`)
}

// Masker replaces the secrets of a release's config in lines of text by
// "[masked NAME]". It is safe for use by many goroutines; nil masks nothing.
//
// It looks for all of them at once (Wu and Manber): from the blocks of
// blockLen bytes that the secrets' first bytes hold it knows how far it may
// jump when it sees a block, so that a line without a secret costs a fraction
// of a table look-up a byte.
type Masker struct {
	least  int                // bytes of the shortest secret: what of each is looked at
	shift  [shiftSize]uint8   // by block: how far to jump, 0: a secret may end here
	groups map[uint32][]piece // by block at the end of the first `least` bytes
}

type piece struct{ text, mark string }

const (
	blockLen  = 3
	shiftSize = 1 << 12
)

func block(s string, end int) uint32 {
	h := uint32(s[end-2]) | uint32(s[end-1])<<8 | uint32(s[end])<<16
	return h * 2654435761 >> 20
}

// NewMasker makes one from a release's config (keys as in ConfigPatch.Vars).
func NewMasker(config map[string]string) *Masker {
	marks := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		_, name := splitKey(key)
		for _, s := range secretsOf(name, config[key]) {
			if _, twice := marks[s]; !twice && len(marks) < maxMasked {
				marks[s] = "[masked " + name + "]"
			}
		}
	}
	if len(marks) == 0 {
		return nil
	}
	m := &Masker{least: 255, groups: map[uint32][]piece{}}
	for s := range marks {
		m.least = min(m.least, len(s))
	}
	for i := range m.shift {
		m.shift[i] = uint8(m.least - blockLen + 1)
	}
	for s, mark := range marks {
		for end := blockLen - 1; end < m.least; end++ {
			at := &m.shift[block(s, end)]
			*at = min(*at, uint8(m.least-1-end))
		}
		h := block(s, m.least-1)
		m.groups[h] = append(m.groups[h], piece{s, mark})
	}
	for _, g := range m.groups { // the longest first: a URL before its password
		slices.SortFunc(g, func(a, b piece) int { return cmp.Compare(len(b.text), len(a.text)) })
	}
	return m
}

// Mask gives line with secrets replaced; one without any as it is.
func (m *Masker) Mask(line string) string {
	if m == nil || len(line) < m.least {
		return line
	}
	var out []byte
	last := 0 // of line that is in out
	for end := m.least - 1; end < len(line); {
		h := block(line, end)
		if jump := int(m.shift[h]); jump > 0 {
			end += jump
			continue
		}
		start := end - m.least + 1
		p := find(m.groups[h], line[start:])
		if p == nil {
			end++
			continue
		}
		out = append(append(out, line[last:start]...), p.mark...)
		last = start + len(p.text)
		end = last + m.least - 1
	}
	if last == 0 {
		return line
	}
	return string(append(out, line[last:]...))
}

func find(group []piece, s string) *piece {
	for i := range group {
		if strings.HasPrefix(s, group[i].text) {
			return &group[i]
		}
	}
	return nil
}
