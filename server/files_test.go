package server

import (
	"bytes"
	"strings"
	"testing"
)

func TestFilePaths(t *testing.T) {
	for _, p := range []string{"/etc/app.conf", "/app/config/x y.json", "/etc/hostsfile", "/" + strings.Repeat("a", 254), "/é"} {
		if err := checkPath(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{"", "/", "etc/app.conf", "/etc/../etc/x", "/etc//x", "/etc/x/", "/proc/1/environ", "/sys", "/dev/null", "/tmp/x",
		"/etc/hosts", "/etc/resolv.conf", "/a:b", "/a\nb", "/a\x00", "/a\"b", "/\xff", "/" + strings.Repeat("a", 255)} {
		if err := checkPath(p); !IsID(err, ErrInvalid) {
			t.Errorf("%q: %v, want refused", p, err)
		}
	}
}

func TestRender(t *testing.T) {
	vars := map[string]string{"A": "one {{B}}", "B": "two", "PORT": "8080"}
	got, err := render("/f", ConfigFile{Content: []byte("a={{A}} {{ B }}\n{{not-one}} {{}} { {A}}\nport {{PORT}}\n")}, vars)
	if want := "a=one {{B}} two\n{{not-one}} {{}} { {A}}\nport 8080\n"; err != nil || string(got) != want {
		t.Fatalf("%q %v, want %q", got, err, want)
	}
	raw := []byte("\x00\xff{{GONE}}")
	if got, err := render("/f", ConfigFile{Content: raw, Raw: true}, nil); err != nil || !bytes.Equal(got, raw) {
		t.Fatalf("raw: %q %v", got, err)
	}
	_, err = render("/etc/x", ConfigFile{Content: []byte("a\nb {{GONE}}\n")}, vars)
	if !IsID(err, ErrInvalid) || !strings.Contains(err.Error(), "/etc/x, line 2, names the config var GONE") {
		t.Fatalf("unset var: %v", err)
	}
	big := map[string]string{"A": strings.Repeat("x", 1000)}
	if _, err := render("/f", ConfigFile{Content: bytes.Repeat([]byte("{{A}}"), 1000)}, big); !IsID(err, ErrInvalid) {
		t.Fatalf("too large: %v", err)
	}
}

func FuzzRender(f *testing.F) {
	f.Add([]byte("a {{A}} {{B}}"), "v")
	f.Add([]byte("{{{{A}}}}"), "{{A}}")
	f.Fuzz(func(t *testing.T, content []byte, value string) {
		out, err := render("/f", ConfigFile{Content: content}, map[string]string{"A": value})
		if err == nil && len(out) > MaxRenderedBytes {
			t.Errorf("%d bytes", len(out))
		}
	})
}

func TestMergeFiles(t *testing.T) {
	one := &ConfigFile{Content: []byte("x")}
	base := map[string]ConfigFile{"/etc/a": {Content: []byte("a")}}
	got, err := mergeFiles(base, map[string]*ConfigFile{"/etc/a": nil, "/etc/b": one})
	if err != nil || len(got) != 1 || len(base) != 1 {
		t.Fatalf("%v %v", got, err)
	}
	if _, err := mergeFiles(base, map[string]*ConfigFile{"/etc/a/b": one}); !IsID(err, ErrInvalid) {
		t.Errorf("a file below a file: %v", err)
	}
	many := map[string]*ConfigFile{}
	for i := range MaxFiles {
		many["/f/"+strings.Repeat("x", i+1)] = one
	}
	if _, err := mergeFiles(base, many); !IsID(err, ErrInvalid) {
		t.Errorf("over the limit: %v", err)
	}
	if err := checkFile("/f", ConfigFile{Content: make([]byte, MaxFileBytes+1), Raw: true}); !IsID(err, ErrInvalid) {
		t.Errorf("large: %v", err)
	}
	if err := checkFile("/f", ConfigFile{Content: []byte("a\x00")}); !IsID(err, ErrInvalid) {
		t.Errorf("binary: %v", err)
	}
}

// A var that a file names can be neither missing nor removed, for any type.
func TestFilesHoldTheirVars(t *testing.T) {
	files := map[string]ConfigFile{"/f": {Content: []byte("{{A}}")}}
	if err := checkRendered(files, map[string]string{"A": "1", "worker/A": "2"}); err != nil {
		t.Error(err)
	}
	if err := checkRendered(files, map[string]string{"worker/A": "2"}); !IsID(err, ErrInvalid) {
		t.Errorf("only worker has it: %v", err)
	}
}
