package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Wherever a page is told to go on to, it stays on this host.
func FuzzRedirectStaysHere(f *testing.F) {
	for _, s := range []string{"", "/", "/apps/shop", "//x", `/\x`, "/\t/x", "https://x", "javascript:x", "/a/..//x", "/.//x", "/%2f/x", "/a?b=//x#c", "/\x00", "///x", "/a\r\nb"} {
		f.Add(s)
	}
	base, err := url.Parse("https://paas.example.com/sign-in")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		w := httptest.NewRecorder()
		got := localPath(next)
		http.Redirect(w, httptest.NewRequest("POST", "/sign-in", nil), got, http.StatusSeeOther)
		to := w.Header().Get("Location")
		// As a browser reads it: backslashes are slashes, tabs and line ends are nothing.
		read := strings.NewReplacer(`\`, "/", "\t", "", "\r", "", "\n", "").Replace(to)
		u, err := base.Parse(read)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || strings.HasPrefix(read, "//") || !strings.HasPrefix(read, "/") {
			t.Errorf("%q leads to %q (%v)", next, to, err)
		}
	})
}
