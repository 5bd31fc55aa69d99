// Package paas_test holds the picture of the layers to the code: imports point
// down only, each outside library has one home, and a few rules of the house
// that a compiler does not know.
package paas_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport says which of our packages a package may import. A name ending in
// "/..." stands for everything below it.
//
//	L4  cmd/paas, bench      wiring
//	L3  server/*, web        adapters: never import each other
//	L2  server
//	L1  builder router scheduler, and their drivers, which only cmd imports
//	L0  server/api migrations server/failpoint server/durable
func mayImport() map[string][]string {
	adapter := []string{"server", "server/api", "server/failpoint", "server/durable", "builder", "router", "scheduler", "scheduler/agent"}
	return map[string][]string{
		"server/api":       {},
		"server/failpoint": {},
		"server/durable":   {},
		"migrations":       {},

		"builder":                {},
		"builder/buildkit":       {"builder"},
		"router":                 {},
		"router/door":            {"router"},
		"scheduler":              {},
		"scheduler/agent":        {"scheduler"},
		"scheduler/agent/docker": {"scheduler", "scheduler/agent"},

		"server": {"builder", "router", "scheduler", "scheduler/agent", "server/api", "server/failpoint"},

		"server/child":    {},
		"server/client":   {"server/api"},
		"server/doctor":   adapter,
		"server/drain":    adapter,
		"server/fleet":    adapter,
		"server/gitd":     adapter,
		"server/httpd":    append([]string{"server/terminal"}, adapter...),
		"server/logd":     adapter,
		"server/oidc":     adapter,
		"server/passkey":  adapter,
		"server/postgres": append([]string{"migrations"}, adapter...),
		"server/registry": adapter,
		"server/terminal": adapter,
		"web":             append([]string{"server/terminal"}, adapter...),

		"cmd/paas":         {"builder/...", "router", "router/door", "scheduler/...", "server/...", "migrations", "web"},
		"cmd/paas/cluster": {}, // tests only
		"cmd/paas/faults":  {}, // tests only
		"bench/report":     {},
		"bench/push":       {"bench/report", "server/api", "server/client"},
		"bench/logs":       {"bench/report", "server", "server/api", "server/client", "server/httpd", "server/logd"},
		"bench/scheduler":  {"bench/report", "router", "scheduler", "scheduler/agent", "server", "server/child", "server/postgres"},
	}
}

// homes says where each outside library lives. What is not listed is refused:
// a new library gets a home here, with its reason in the commit.
func homes() map[string][]string {
	return map[string][]string{
		"github.com/gliderlabs/ssh":              {"server/gitd"},
		"github.com/anmitsu/go-shlex":            {"server/gitd", "server", "cmd/paas"},
		"github.com/go-git/":                     {"server/gitd"},
		"github.com/moby/buildkit":               {"builder/buildkit"},
		"github.com/tonistiigi/fsutil":           {"builder/buildkit"},
		"github.com/moby/patternmatcher":         {"builder/buildkit"},
		"github.com/docker/docker":               {"scheduler/agent/docker"},
		"github.com/docker/go-connections":       {"scheduler/agent/docker"},
		"github.com/docker/go-units":             {"scheduler/agent/docker"},
		"github.com/containerd/errdefs":          {"scheduler/agent/docker", "builder/buildkit"},
		"github.com/jackc/":                      {"server/postgres", "migrations", "bench/scheduler"}, // the bench fills whole tables
		"github.com/go-chi/chi/v5":               {"server/httpd", "web"},
		"github.com/distribution/":               {"server/registry"},
		"github.com/google/go-containerregistry": {"server/registry", "builder/buildkit"}, // the same registry from both ends
		"github.com/coder/websocket":             {"server/terminal", "server/client", "router"},
		"github.com/spf13/":                      {"cmd/paas"},
		"github.com/opencontainers/":             {"builder/buildkit", "scheduler/agent/docker", "server/registry"},
		"github.com/sirupsen/logrus":             {"server/registry", "builder/buildkit"},
		"github.com/vishvananda/netlink":         {"server/child"}, // the build containers' bridge
		"github.com/containerd/go-cni":           {"server/child"}, // and their namespaces
		"google.golang.org/grpc":                 {"builder/buildkit"},
		"github.com/prometheus/client_golang":    {"server/httpd"},
		"github.com/go-webauthn/webauthn":        {"server/passkey"},
		"github.com/coreos/go-oidc/v3":           {"server/oidc"},
		"github.com/robfig/cron/v3":              {"builder", "server"}, // read and applied
		"github.com/creack/pty":                  {"cmd/paas", "scheduler/agent/docker"},
		"github.com/google/uuid":                 {"..."},
		"golang.org/x/":                          {"..."},
	}
}

type pkg struct {
	ImportPath string
	Standard   bool
	Dir        string
	GoFiles    []string
	Imports    []string
}

// listPackages gives our packages and, in std, the standard library's.
func listPackages(t *testing.T) (ours []pkg, std map[string]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,Dir,GoFiles,Imports", "./...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	std = map[string]bool{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return ours, std
		} else if err != nil {
			t.Fatal(err)
		}
		std[p.ImportPath] = p.Standard
		if p.ImportPath == "paas" || strings.HasPrefix(p.ImportPath, "paas/") {
			ours = append(ours, p)
		}
	}
}

func TestImportsPointDown(t *testing.T) {
	ours, std := listPackages(t)
	allowed, seen := mayImport(), 0
	for _, p := range ours {
		name := strings.TrimPrefix(p.ImportPath, "paas/")
		may, known := allowed[name]
		if name == "paas" && len(p.GoFiles) == 0 || forTests(name) {
			continue
		}
		if !known {
			t.Errorf("%s has no place in the layers: give it one in mayImport", name)
			continue
		}
		seen++
		for _, imp := range p.Imports {
			switch own, isOurs := strings.CutPrefix(imp, "paas/"); {
			case isOurs && forTests(own):
				t.Errorf("%s imports %s: no test code in the product", name, own)
			case isOurs && !within(own, may):
				t.Errorf("%s imports %s; it may import %v", name, own, may)
			case !isOurs && !std[imp] && imp != "C":
				checkHome(t, name, imp)
			}
		}
	}
	if seen < 8 {
		t.Errorf("only %d packages looked at: is the list complete?", seen)
	}
}

// forTests says whether a package is only there for tests: named after its
// parent with "test" behind, as net/http/httptest is, or end-to-end tests.
func forTests(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(s string) bool {
		return s == "e2e" || strings.HasSuffix(s, "test")
	})
}

func checkHome(t *testing.T, name, imp string) {
	t.Helper()
	if name == "server/api" || name == "scheduler" {
		t.Errorf("%s imports %s: it gets by with the standard library", name, imp)
		return
	}
	for prefix, where := range homes() {
		if !strings.HasPrefix(imp, prefix) {
			continue
		}
		if !within(name, where) {
			t.Errorf("%s imports %s, whose home is %v", name, imp, where)
		}
		return
	}
	t.Errorf("%s imports %s, a library without a home: give it one in homes", name, imp)
}

// within says whether name is one of patterns.
func within(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if p == "..." || p == name {
			return true
		}
		dir, all := strings.CutSuffix(p, "/...")
		return all && (name == dir || strings.HasPrefix(name, dir+"/"))
	})
}
