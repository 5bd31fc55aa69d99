package docker

import (
	"strings"
	"testing"
)

// The init's word is held back, whatever it comes in; all else passes as it is.
func TestInitWord(t *testing.T) {
	for _, c := range []struct {
		pieces []string
		only   bool
	}{
		{[]string{"[FATAL tini (7)] ", "exec x failed: No such file", "\n"}, true},
		{[]string{"[FATAL tini (7)] exec x failed\n"}, true},
		{[]string{"[FATAL tini (7)] exec x failed\n", "and more"}, false},
		{[]string{"[FATAL tini (7)] ", strings.Repeat("x", maxWord)}, false},
		{[]string{"hello ", "[FATAL tini (7)] exec\n"}, false},
		{[]string{"[", "prompt]"}, false},
		{nil, false},
	} {
		var out strings.Builder
		w := &initWord{to: &out}
		for _, p := range c.pieces {
			if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
		}
		if w.only() != c.only || c.only && out.Len() > 0 {
			t.Errorf("%q: %v, passed %q", c.pieces, w.only(), out.String())
		}
		if err := w.release(); err != nil || out.String() != strings.Join(c.pieces, "") {
			t.Errorf("%q became %q", c.pieces, out.String())
		}
	}
}
