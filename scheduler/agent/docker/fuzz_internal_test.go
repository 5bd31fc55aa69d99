package docker

import (
	"bytes"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
)

func FuzzParseStat(f *testing.F) {
	own, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Add([]byte("7 (a) R 9 (b)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21"))
	f.Add([]byte("7 () S"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseStat(b)
		if err == nil && !bytes.HasPrefix(b, []byte(strconv.Itoa(s.pid))) && s.pid > 0 && b[0] != '0' && b[0] != '+' {
			t.Errorf("%+v of %q", s, b)
		}
	})
}

func TestParseStat(t *testing.T) {
	s, err := parseStat([]byte("7 (a) R 9 (b)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21"))
	if err != nil || s != (stat{pid: 7, state: 'S', parent: 1, start: 4242}) {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := readStat(os.Getpid()); err != nil || s.pid != os.Getpid() || s.parent != os.Getppid() {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := parseStat([]byte("nonsense")); err == nil {
		t.Error("taken")
	}
}

func FuzzDemultiplex(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x02hi\x02\x00\x00\x00\x00\x00\x00\x01!"))
	f.Add([]byte("\x01\x00\x00\x00\xff\xff\xff\xff"))
	f.Add([]byte("\x03\x00\x00\x00\x00\x00\x00\x03bad"))
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x09short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var out, errs bytes.Buffer
		err := demultiplex(bytes.NewReader(b), &out, &errs)
		if out.Len()+errs.Len() > len(b) {
			t.Error("more came out than went in")
		}
		if err == nil && len(b) > 0 && len(b) < 8 {
			t.Error("half a header is no frame")
		}
	})
}

func TestDemultiplexEnds(t *testing.T) {
	for in, want := range map[string]string{
		"":                                         "",
		"\x01\x00\x00":                             "unexpected EOF",
		"\x01\x00\x00\x00\x00\x00\x00\x09short":    "unexpected EOF",
		"\x09\x00\x00\x00\x00\x00\x00\x01x":        "is none",
		"\x01\x00\x00\x00\x7f\x00\x00\x00x":        "is none",
		"\x03\x00\x00\x00\x00\x00\x00\x04full":     "engine: full",
		"\x01\x00\x00\x00\x00\x00\x00\x01a\x02":    "unexpected EOF",
		"\x00\x00\x00\x00\x00\x00\x00\x01a":        "",
		"\x02\x00\x00\x00\x00\x00\x00\x00":         "",
		"\x01\x00\x00\x00\x00\x00\x00\x02\x00\xff": "",
	} {
		err := demultiplex(strings.NewReader(in), io.Discard, io.Discard)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %q", in, err, want)
		}
	}
}

func FuzzCheckPath(f *testing.F) {
	for _, s := range []string{"/etc/app.conf", "/", "", "/proc", "/procs", "/a/../b", "//a", "/dev/x", "/tmp/x", "/sbin/docker-init", "/a\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if checkPath(p) != nil {
			return
		}
		if !strings.HasPrefix(p, "/") || path.Clean(p) != p || len(p) > maxPath || strings.ContainsRune(p, 0) {
			t.Errorf("%q was taken", p)
		}
		for _, own := range []string{"/proc", "/sys", "/dev"} {
			if p == own || strings.HasPrefix(p, own+"/") {
				t.Errorf("%q was taken", p)
			}
		}
	})
}
