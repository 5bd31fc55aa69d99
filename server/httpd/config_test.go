package httpd

import (
	"strings"
	"testing"
)

// What is too large or makes no sense is refused by the limit's name, before
// the platform is asked.
func TestConfigRequests(t *testing.T) {
	r := start(t)
	r.pushed("shop")
	for _, c := range []struct {
		method, path, body string
		code               int
		says               string
	}{
		{"PATCH", "/apps/shop/config-vars", `{"A":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "all config vars of an app together may have 65536"},
		{"PUT", "/apps/shop/files", `{"path":"/a","content":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "a config file may have 65536"},
		{"PUT", "/apps/shop/files", `{"path":"/a","content":"no base64!"}`, 400, "not valid JSON"},
		{"PUT", "/apps/shop/files", `{"path":7}`, 422, "Field path must be a string"},
		{"PATCH", "/apps/shop/config-vars?expect=now", `{"A":"1"}`, 422, `expect="now" is no version`},
		{"PATCH", "/apps/nothing/config-vars", `{}`, 404, "find that app"},
		{"DELETE", "/apps/shop/config-vars/staged", `{"names":"A"}`, 422, "names must be an array"},
	} {
		a := r.want(r.do(c.method, c.path, c.body), c.code)
		if e := a.error(t); !strings.Contains(e.Message, c.says) || !strings.Contains(e.Message, "othing was changed") && c.code != 404 {
			t.Errorf("%s %s: %q, want %q", c.method, c.path, e.Message, c.says)
		}
	}
}
