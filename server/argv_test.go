package server

import (
	"slices"
	"testing"
)

func TestArgv(t *testing.T) {
	for line, want := range map[string][]string{
		"":                              nil,
		"  ":                            nil,
		"bin/web":                       {"bin/web"},
		`node "my server.js" --x 'a b'`: {"node", "my server.js", "--x", "a b"},
		"server --port $PORT":           {"/bin/sh", "-c", "exec server --port $PORT"},
		"a && b":                        {"/bin/sh", "-c", "a && b"},
		"A=1 server":                    {"/bin/sh", "-c", "A=1 server"},
		"cat < in > out":                {"/bin/sh", "-c", "exec cat < in > out"},
		"echo $(date)":                  {"/bin/sh", "-c", "echo $(date)"},
		`echo "unclosed`:                {"/bin/sh", "-c", `echo "unclosed`},
	} {
		if got := Argv(line); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func FuzzArgv(f *testing.F) {
	for _, s := range []string{"a b", "'", `"\`, "$PORT", "\x00", "a;b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if argv := Argv(line); argv != nil && len(argv) == 0 {
			t.Error("empty and not nil")
		}
	})
}
