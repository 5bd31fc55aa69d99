package doctor

import (
	"fmt"
	"strconv"
	"strings"
)

// version is major, minor, patch; what follows is dropped ("1.1.5+ds1-1",
// "go1.26.8", "v0.33.1", "2.39.5 (Debian)").
type version struct {
	n   [3]int
	pre bool // a pre-release: below the version it names
}

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.n[0], v.n[1], v.n[2]) }

// below says whether v comes before o.
func (v version) below(o version) bool {
	for i := range v.n {
		if v.n[i] != o.n[i] {
			return v.n[i] < o.n[i]
		}
	}
	return v.pre && !o.pre
}

// parseVersion reads the first number with a dot in s.
func parseVersion(s string) (version, bool) {
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" ,_()\t\n", r) }) {
		start := strings.IndexAny(word, "0123456789")
		if start < 0 {
			continue
		}
		if v, ok := parseWord(word[start:]); ok {
			return v, true
		}
	}
	return version{}, false
}

func parseWord(s string) (version, bool) {
	var v version
	parts := 0
	for parts < 3 {
		n := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if n < 0 {
			n = len(s)
		}
		x, err := strconv.Atoi(s[:n])
		if err != nil {
			break
		}
		v.n[parts], s = x, s[n:]
		parts++
		if !strings.HasPrefix(s, ".") {
			break
		}
		s = s[1:]
	}
	// Go writes "go1.27rc1", semver "1.4.0-rc.1", Debian "1.7.0~rc1".
	tail := strings.TrimLeft(s, "-~.")
	for _, p := range []string{"rc", "beta", "alpha"} {
		v.pre = v.pre || strings.HasPrefix(tail, p)
	}
	return v, parts >= 2
}

func must(major, minor, patch int) version { return version{n: [3]int{major, minor, patch}} }

// floor is the first good version of a series, and why the ones before are not.
type floor struct {
	first []version // one a series (major.minor), ascending
	why   string
}

// met says whether v is at or above the floor of its series. A series newer
// than every one listed has the mends; an older one, or one between, has not.
func (f floor) met(v version) bool {
	last := f.first[len(f.first)-1]
	if v.n[0] > last.n[0] || v.n[0] == last.n[0] && v.n[1] > last.n[1] {
		return true
	}
	for _, o := range f.first {
		if o.n[0] == v.n[0] && o.n[1] == v.n[1] {
			return !v.below(o)
		}
	}
	return false
}

func (f floor) String() string {
	s := make([]string, len(f.first))
	for i, v := range f.first {
		s[i] = v.String()
	}
	return strings.Join(s, " or ")
}
