package server

import (
	"context"
	"strings"
	"testing"
)

// oneRelease is a store that knows one release.
type oneRelease struct {
	Store
	r Release
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
