package server

import (
	"strings"
	"testing"
)

func TestMountPaths(t *testing.T) {
	for _, p := range []string{"/data", "/app/data", "/var/lib/postgresql/data", "/usr/src/app/files", "/home/app", "/mnt/ä"} {
		if err := checkMountPath(p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	for p, want := range map[string]string{
		"": "must be absolute", "/": "must be absolute", "data": "must be absolute", "//": "must be absolute", "/..": "must be absolute", "/data/": "without . and ..", "/a/../etc": "without . and ..",
		"/proc": "the platform's", "/proc/sys": "the platform's", "/sys/fs": "the platform's", "/dev/shm": "the platform's", "/etc/resolv.conf": "the platform's", "/etc/hosts": "the platform's",
		"/tmp": "the platform's", "/tmp/x": "the platform's", "/sbin/docker-init": "the platform's", "/etc": "of the system", "/usr": "of the system", "/bin": "of the system",
		"/a:b": "a character", "/a\x00b": "a character", "/a\nb": "a character", "/a\xff": "a character", "/" + strings.Repeat("a", 300): "longer than",
	} {
		if err := checkMountPath(p); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Nothing was changed") {
			t.Errorf("%q: %v, want %q", p, err, want)
		}
	}
}

func TestMountsChange(t *testing.T) {
	base := []Mount{{Volume: "1", Name: "a", Type: "web", Path: "/a"}, {Volume: "2", Name: "b", Type: "web", Path: "/b"}}
	got := changeMounts(base, []Mount{{Volume: "1", Name: "a", Type: "worker", Path: "/c"}, {Volume: "2", Name: "b"}, {Volume: "3", Name: "d", Type: "web", Path: "/d"}})
	want := []Mount{{Volume: "3", Name: "d", Type: "web", Path: "/d"}, {Volume: "1", Name: "a", Type: "worker", Path: "/c"}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] || len(base) != 2 || base[0].Type != "web" {
		t.Errorf("%+v of %+v", got, base)
	}
	if got := spellMounts([]Mount{{Name: "a", Type: "web", Path: "/c"}, {Name: "b"}}); got != "Attach volume a to web at /c; Detach volume b" {
		t.Error(got)
	}
}

func TestMountsThatCannotBe(t *testing.T) {
	volumes := []Volume{{ID: "1", Name: "a", HostID: "h1", Host: "host-1"}, {ID: "2", Name: "b", HostID: "h2", Host: "host-2"}, {ID: "3", Name: "c", Driver: "nfs"}, {ID: "4", Name: "d", HostID: "h1", Host: "host-1"}}
	at := func(id, typ, path string) Mount { return Mount{Volume: id, Name: "v" + id, Type: typ, Path: path} }
	files := map[string]ConfigFile{"/etc/app/conf": {}}
	for _, c := range []struct {
		mounts []Mount
		want   string
	}{
		{[]Mount{at("1", "web", "/a"), at("3", "web", "/c"), at("4", "web", "/d"), at("2", "worker", "/a")}, ""},
		{[]Mount{at("9", "web", "/a")}, "was destroyed since"},
		{[]Mount{at("1", "web", "/a"), at("2", "web", "/b")}, "no dyno of web can have both"},
		{[]Mount{at("1", "web", "/a"), at("4", "web", "/a")}, "in each other's way"},
		{[]Mount{at("1", "web", "/a/b"), at("4", "web", "/a")}, "in each other's way"},
		{[]Mount{at("1", "web", "/etc/app")}, "The config file /etc/app/conf and the volume v1"},
	} {
		err := checkMounts(c.mounts, volumes, files)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.mounts, err, c.want)
		}
	}
}
