package httpd

import (
	"fmt"
	"strings"
	"testing"

	"paas/server/api"
)

func TestParseRange(t *testing.T) {
	fields := []string{"version", "id"}
	for _, c := range []struct {
		in   string
		want span
		ok   bool
	}{
		{"", span{field: "version", max: 200}, true},
		{"bytes=0-", span{field: "version", max: 200}, true},
		{"version ..; max=15, order=desc", span{field: "version", max: 15, desc: true}, true},
		{"version ..;max=15;order=asc", span{field: "version", max: 15}, true},
		{"id ]abc..xyz[; max=1000", span{field: "id", from: "abc", to: "xyz", fromOpen: true, toOpen: true, max: 1000}, true},
		{"; max=10", span{field: "version", max: 10}, true},
		{"version 3..", span{field: "version", from: "3", max: 200}, true},
		{"id", span{field: "id", max: 200}, true},
		{"name ..", span{}, false},
		{"version ..; max=0", span{}, false},
		{"version ..; max=1001", span{}, false},
		{"version ..; max=x", span{}, false},
		{"version ..; order=up", span{}, false},
		{"version ..; color=red", span{}, false},
		{"version 3", span{}, false},
		{"version ]..", span{}, false},
		{"version " + strings.Repeat("x", 2000), span{}, false},
	} {
		got, err := parseRange(c.in, fields)
		if (err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("%q: %+v %v, want %+v %v", c.in, got, err, c.want, c.ok)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"version ..; max=15, order=desc", "id ]a..b[", "; max=10", "version 3..;;,", "id ..\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := parseRange(in, []string{"version", "id"})
		if err != nil {
			return
		}
		if s.max < 1 || s.max > maxPage || s.field != "version" && s.field != "id" {
			t.Fatalf("%q gave %+v", in, s)
		}
		if strings.ContainsAny(s.to, ";,") || strings.Contains(s.to, "..") {
			return // a bound like that cannot be written back
		}
		again, err := parseRange(s.next("last"), []string{"version", "id"})
		if err != nil {
			t.Fatalf("%q: its Next-Range %q: %v", in, s.next("last"), err)
		}
		if again.from != "last" || !again.fromOpen || again.max != s.max || again.desc != s.desc || again.to != s.to {
			t.Fatalf("%q: next is %+v of %+v", in, again, s)
		}
	})
}

// pages follows Next-Range to the end.
func pages(r *rig, path, first string) (all []string, sizes []int) {
	r.t.Helper()
	header := first
	for range 20 {
		a := r.do("GET", path, "", "Range", header)
		for _, o := range decodeAs[[]map[string]any](r.t, a) {
			key := o["version"]
			if key == nil {
				key = o["name"]
			}
			all = append(all, fmt.Sprint(key))
		}
		sizes = append(sizes, len(all))
		header = a.Header.Get(api.HeaderNextRange)
		if (a.StatusCode == 206) != (header != "") {
			r.t.Fatalf("%d with Next-Range %q", a.StatusCode, header)
		}
		if header == "" {
			return all, sizes
		}
	}
	r.t.Fatal("pages never end")
	return nil, nil
}

func TestPaging(t *testing.T) {
	r := start(t)
	for i := range 7 {
		r.want(r.do("POST", "/apps", fmt.Sprintf(`{"name":"app-%d"}`, i)), 201)
	}
	for i := range 6 {
		r.want(r.do("PATCH", "/apps/app-0/config-vars", fmt.Sprintf(`{"A":"%d"}`, i)), 200)
	}
	for _, c := range []struct{ path, header, want string }{
		{"/apps/app-0/releases", "", "1 2 3 4 5 6 7"},
		{"/apps/app-0/releases", "version ..; max=3, order=desc", "7 6 5 4 3 2 1"},
		{"/apps/app-0/releases", "id ..; max=2", "1 2 3 4 5 6 7"},
		{"/apps/app-0/releases", "version 5..; max=2", "5 6 7"},
		{"/apps/app-0/releases", "version ]5..; max=1", "6 7"},
		{"/apps/app-0/releases", "version 3..; max=2, order=desc", "3 2 1"},
		{"/apps", "name ..; max=2", "app-0 app-1 app-2 app-3 app-4 app-5 app-6"},
		{"/apps", "name ]app-1..app-5[; max=2", "app-2 app-3 app-4"},
		{"/apps", "name app-5..app-3; max=1, order=desc", "app-5 app-4 app-3"},
	} {
		if all, _ := pages(r, c.path, c.header); strings.Join(all, " ") != c.want {
			t.Errorf("%s %q: %v, want %s", c.path, c.header, all, c.want)
		}
	}
	for header, want := range map[string]int{"": 6, "id ..; max=1, order=desc": 6, "id ..; max=4": 6} {
		if all, _ := pages(r, "/apps/app-0/deploys", header); len(all) != want {
			t.Errorf("deploys %q: %v", header, all)
		}
	}
	newest := decodeAs[[]api.Deploy](t, r.do("GET", "/apps/app-0/deploys", "", "Range", "id ..; max=1, order=desc"))
	if len(newest) != 1 || newest[0].Release.Version != 7 {
		t.Errorf("newest deploy: %+v", newest)
	}
	for _, bad := range []string{"id nope..", "id ]nope..", "id ..x", "version .."} {
		if a := r.do("GET", "/apps/app-0/deploys", "", "Range", bad); a.StatusCode != 416 {
			t.Errorf("deploys %q: %d", bad, a.StatusCode)
		}
	}
	a := r.do("GET", "/apps/app-0/releases", "", "Range", "version ..; max=3")
	if got := a.Header.Get("Content-Range"); got != "version 1..3" {
		t.Errorf("Content-Range %q", got)
	}
	for _, bad := range []string{"name ..", "version x..", "version ..5", "id ]x.."} {
		if a := r.do("GET", "/apps/app-0/releases", "", "Range", bad); a.StatusCode != 416 {
			t.Errorf("%q: %d %s", bad, a.StatusCode, a.body)
		}
	}
}
