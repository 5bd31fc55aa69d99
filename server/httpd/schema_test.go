package httpd

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"paas/server/api"
)

// heroku is the subset of Heroku's published schema in testdata.
type heroku struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
}

const schemaURL = "https://schema.test/platform-api.json"

func readHeroku(t *testing.T) *heroku {
	t.Helper()
	b, err := os.ReadFile("testdata/platform-api-schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	h := &heroku{doc: doc.(map[string]any), compiler: jsonschema.NewCompiler()}
	// The only deviations: Heroku's own host names in patterns, and one that
	// Go's regular expressions cannot say, of a field that is always null here.
	app := h.dig("definitions", "app", "definitions")
	delete(app["git_url"].(map[string]any), "pattern")
	delete(app["web_url"].(map[string]any), "pattern")
	delete(h.dig("definitions", "space", "definitions", "name"), "pattern")
	h.compiler.DefaultDraft(jsonschema.Draft4)
	h.compiler.AssertFormat()
	if err := h.compiler.AddResource(schemaURL, doc); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *heroku) dig(path ...string) map[string]any {
	m := h.doc
	for _, p := range path {
		m = m[p].(map[string]any)
	}
	return m
}

// target is the pointer to the schema of what a link answers, found by its
// method and path with the identities left out: "/apps/{}/releases".
func (h *heroku) target(t *testing.T, method, path, title string) string {
	t.Helper()
	for name, d := range h.dig("definitions") {
		links, _ := d.(map[string]any)["links"].([]any)
		for i, l := range links {
			link := l.(map[string]any)
			if link["method"] == method && blank(link["href"].(string)) == path && (title == "" || link["title"] == title) {
				return fmt.Sprintf("#/definitions/%s/links/%d/targetSchema", name, i)
			}
		}
	}
	t.Fatalf("Heroku has no %s %s", method, path)
	return ""
}

func blank(href string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(href, "/"), "/") {
		if strings.HasPrefix(part, "{") {
			part = "{}"
		}
		b.WriteString("/" + part)
	}
	return b.String()
}

func (h *heroku) check(t *testing.T, pointer string, body []byte) {
	t.Helper()
	schema, err := h.compiler.Compile(schemaURL + pointer)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if err := schema.Validate(v); err != nil {
		t.Errorf("%s: %v\n%s", pointer, err, body)
	}
}

// complete wants every property that Heroku's resource has, for clients that
// read them without asking.
func (h *heroku) complete(t *testing.T, name string, body []byte, but ...string) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if list, ok := v.([]any); ok {
		if len(list) == 0 {
			t.Fatalf("%s: an empty list proves nothing", name)
		}
		v = list[0]
	}
	for p := range h.dig("definitions", name, "properties") {
		if _, ok := v.(map[string]any)[p]; !ok && !slices.Contains(but, p) {
			t.Errorf("%s lacks %s", name, p)
		}
	}
}

func TestSchema(t *testing.T) {
	h, r := readHeroku(t), start(t)
	r.pushed("shop")
	r.want(r.do("POST", "/account/keys", `{"public_key":"ssh-ed25519 AAAA ann@laptop"}`), 201)
	key := decodeAs[[]api.Key](t, r.do("GET", "/account/keys", ""))[0]
	build := decodeAs[[]api.Build](t, r.do("GET", "/apps/shop/builds", ""))[0]
	for _, c := range []struct {
		method, path, body string
		link, title        string // Heroku's path
		code               int
		resource           string
		lacks              []string
	}{
		{"GET", "/account", "", "/account", "", 200, "account", nil},
		{"GET", "/account/keys", "", "/account/keys", "", 200, "key", nil},
		{"GET", "/account/keys/" + url.PathEscape(key.Fingerprint), "", "/account/keys/{}", "", 200, "key", nil},
		{"GET", "/regions", "", "/regions", "", 200, "region", []string{"provider"}},
		{"GET", "/stacks", "", "/stacks", "", 200, "stack", nil},
		{"GET", "/dyno-sizes", "", "/dyno-sizes", "", 200, "dyno-size", nil},
		{"POST", "/apps", `{"name":"other","region":"local","stack":"container"}`, "/apps", "", 201, "app", nil},
		{"GET", "/apps", "", "/apps", "", 200, "app", nil},
		{"GET", "/apps/shop", "", "/apps/{}", "", 200, "app", nil},
		{"DELETE", "/apps/other", "", "/apps/{}", "", 200, "app", nil},
		{"GET", "/apps/shop/config-vars", "", "/apps/{}/config-vars", "", 200, "", nil},
		{"PATCH", "/apps/shop/config-vars", `{"A":"1","B":null}`, "/apps/{}/config-vars", "", 200, "", nil},
		{"GET", "/apps/shop/releases", "", "/apps/{}/releases", "", 200, "release", nil},
		{"GET", "/apps/shop/releases/2", "", "/apps/{}/releases/{}", "", 200, "release", nil},
		{"POST", "/apps/shop/releases", `{"release":"2"}`, "/apps/{}/releases", "Rollback", 201, "release", nil},
		{"GET", "/apps/shop/releases/v3/config-vars", "", "/apps/{}/releases/{}/config-vars", "", 200, "", nil},
		{"GET", "/apps/shop/formation", "", "/apps/{}/formation", "", 200, "formation", nil},
		{"PATCH", "/apps/shop/formation", `{"updates":[{"type":"web","quantity":2}]}`, "/apps/{}/formation", "", 200, "formation", nil},
		{"GET", "/apps/shop/formation/web", "", "/apps/{}/formation/{}", "", 200, "formation", nil},
		{"PATCH", "/apps/shop/formation/web", `{"quantity":1,"size":"Standard-1X"}`, "/apps/{}/formation/{}", "", 200, "formation", nil},
		{"GET", "/apps/shop/dynos", "", "/apps/{}/dynos", "", 200, "dyno", nil},
		{"GET", "/apps/shop/dynos/web.1", "", "/apps/{}/dynos/{}", "", 200, "dyno", nil},
		{"DELETE", "/apps/shop/dynos/web.1", "", "/apps/{}/dynos/{}", "", 202, "", nil},
		{"DELETE", "/apps/shop/dynos", "", "/apps/{}/dynos", "", 202, "", nil},
		{"GET", "/apps/shop/builds", "", "/apps/{}/builds", "", 200, "build", nil},
		{"GET", "/apps/shop/builds/" + build.ID, "", "/apps/{}/builds/{}", "", 200, "build", nil},
		{"POST", "/apps/shop/log-sessions", `{"lines":10,"tail":true,"source":"app"}`, "/apps/{}/log-sessions", "", 201, "log-session", nil},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			a := r.want(r.do(c.method, c.path, c.body), c.code)
			h.check(t, h.target(t, c.method, c.link, c.title), a.body)
			if c.resource != "" {
				h.complete(t, c.resource, a.body, c.lacks...)
			}
		})
	}
}
