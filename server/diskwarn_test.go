package server

import (
	"context"
	"errors"
	"strings"
	"testing"

	"paas/scheduler/agent"
)

// oneRelease is a store that knows one release.
type oneRelease struct {
	Store
	r     Release
	wrote map[string][]agent.Written // by those of the release before
}

func (s oneRelease) App(context.Context, string) (App, error) { return App{Current: "before"}, nil }

func (s oneRelease) Written(_ context.Context, id string) (map[string][]agent.Written, error) {
	if id != "before" {
		return nil, errors.New("another release's")
	}
	return s.wrote, nil
}

func (s oneRelease) Release(context.Context, string, string) (Release, error) { return s.r, nil }

func TestPushWarnsOfDataWithoutVolume(t *testing.T) {
	web, worker := map[string]Process{"web": {}, "release": {}}, map[string]Process{"worker": {}}
	mount := func(typ, at string) []Mount { return []Mount{{Volume: "1", Name: "x", Type: typ, Path: at}} }
	const lost = "it is lost with each deploy and restart."
	for _, c := range []struct {
		name      string
		kind      DeployKind
		processes map[string]Process
		volumes   []string
		mounts    []Mount
		want      []string // none: nothing is said
	}{
		{"no data", KindPush, web, nil, nil, nil},
		{"data", KindPush, web, []string{"/app/uploads"}, nil, []string{" !     The image keeps data in /app/uploads, where no volume is: " + lost,
			"paas volumes:create uploads -a shop\n", "paas volumes:attach uploads /app/uploads -a shop\n"}},
		{"a name that is none", KindPush, web, []string{"/DATA_1"}, nil, []string{"paas volumes:create data -a shop\n", "attach data /DATA_1 -a shop"}},
		{"no web", KindPush, worker, []string{"/data"}, nil, []string{"attach data /data -p worker -a shop"}},
		{"nothing that lasts", KindPush, map[string]Process{"release": {}}, []string{"/data"}, nil, nil},
		{"kept", KindPush, web, []string{"/data"}, mount("web", "/data"), nil},
		{"kept above", KindPush, web, []string{"/data/db"}, mount("worker", "/data"), nil},
		{"kept below is not kept", KindPush, web, []string{"/data"}, mount("web", "/data/db"), []string{"in /data, where"}},
		{"nothing of worth, or odd", KindPush, web, []string{"/tmp", "/run/x", "/etc", "/a\x1b[2J"}, nil, nil},
		{"many", KindPush, web, []string{"/1", "/2", "/3", "/4", "/5", "/6", "/7"}, nil, []string{"/1, /2, /3, /4, /5 and 2 more, where"}},
		{"no push", KindConfig, web, []string{"/data"}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &Pipeline{store: oneRelease{r: Release{App: "shop", Processes: c.processes, Mounts: c.mounts, Image: Image{Volumes: c.volumes}}}}
			var out strings.Builder
			p.warnOfDisk(t.Context(), Deploy{Kind: c.kind}, &out)
			if len(c.want) == 0 && out.Len() > 0 {
				t.Errorf("%q", out.String())
			}
			for _, w := range c.want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("%q lacks %q", out.String(), w)
				}
			}
		})
	}
}

func TestPushWarnsOfWhatWasWritten(t *testing.T) {
	wrote := func(typ string, list ...agent.Written) map[string][]agent.Written {
		return map[string][]agent.Written{typ: list}
	}
	for _, c := range []struct {
		name   string
		wrote  map[string][]agent.Written
		mounts []Mount
		want   []string // none: nothing is said
		not    string
	}{
		{"nothing", nil, nil, nil, ""},
		{"a directory", wrote("web", agent.Written{Path: "/app/uploads", Bytes: 12 << 20}), nil,
			[]string{" !     web has written 12.0M to /app/uploads, outside a volume: it is gone with this deploy.\n",
				"paas volumes:create uploads -a shop\n", "paas volumes:attach uploads /app/uploads -a shop\n"}, ""},
		{"of a worker", wrote("worker", agent.Written{Path: "/Data", Bytes: 1 << 20}), nil,
			[]string{"worker has written 1.0M to /Data, outside", "volumes:attach data /Data -p worker -a shop"}, ""},
		{"beside the image's files", wrote("web", agent.Written{Path: "/app", Bytes: 1 << 20, Mixed: true}), nil,
			[]string{"to /app, among the files of the image, outside a volume", "to a directory of their own"}, "volumes:attach"},
		{"by a name that a shell reads", wrote("web", agent.Written{Path: "/a;reboot", Bytes: 1 << 20}), nil, []string{"to /a;reboot, outside"}, "volumes:attach"},
		{"kept by now", wrote("web", agent.Written{Path: "/data/db", Bytes: 1 << 20}), []Mount{{Volume: "1", Type: "web", Path: "/data"}}, nil, ""},
		{"kept for another type", wrote("web", agent.Written{Path: "/data", Bytes: 1 << 20}), []Mount{{Volume: "1", Type: "worker", Path: "/data"}}, []string{"to /data, outside"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &Pipeline{store: oneRelease{r: Release{App: "shop", Mounts: c.mounts}, wrote: c.wrote}}
			var out strings.Builder
			p.warnOfDisk(t.Context(), Deploy{Kind: KindPush}, &out)
			if len(c.want) == 0 && out.Len() > 0 || c.not != "" && strings.Contains(out.String(), c.not) {
				t.Errorf("%q", out.String())
			}
			for _, w := range c.want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("%q lacks %q", out.String(), w)
				}
			}
		})
	}
}

func TestCleanWritten(t *testing.T) {
	many := make([]agent.Written, 2*agent.MaxWritten)
	for i := range many {
		many[i] = agent.Written{Path: "/d", Bytes: 1}
	}
	if got := CleanWritten(&agent.Layer{Paths: many}); len(got) != agent.MaxWritten {
		t.Errorf("%d", len(got))
	}
	got := CleanWritten(&agent.Layer{Paths: []agent.Written{{Path: "/a\x1b[2J\x00\xff\nb", Bytes: 1}, {Path: "rel", Bytes: 1}, {Path: "/x", Bytes: -1}, {Path: "/" + strings.Repeat("x", 5000), Bytes: 1}}})
	if len(got) != 2 || got[0].Path != "/a\uFFFD[2J\uFFFD\uFFFD\uFFFDb" || len(got[1].Path) > maxMountPath+3 {
		t.Errorf("%+v", got)
	}
	if CleanWritten(nil) != nil {
		t.Error("of none")
	}
}
