package main

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestCommandWords(t *testing.T) {
	env := map[string]string{"PORT": "5006", "OPTS": " -Xmx1g  '-Dx=a b'$HOME* ", "EMPTY": "", "SPACED": "a b\"\\c", "NAME": "n"}
	for line, want := range map[string][]string{
		"bin/server":                               {"bin/server"},
		"exec bin/server -p $PORT":                 {"bin/server", "-p", "5006"},
		`java $OPTS -jar x.jar`:                    {"java", "-Xmx1g", "'-Dx=a", "b'$HOME*", "-jar", "x.jar"},
		`a x$OPTS"y"`:                              {"a", "x", "-Xmx1g", "'-Dx=a", "b'$HOME*", "y"},
		`a $EMPTY b`:                               {"a", "b"},
		`a "$SPACED" '$PORT' \$PORT "\$PORT"`:      {"a", `a b"\c`, "$PORT", "$PORT", "$PORT"},
		`a ${NAME}x ${NONE:-4} ${NAME:-4} $NONE.`:  {"a", "nx", "4", "n", "."},
		`a '|&;<>*' "|&;<>*(" \; 5$ "a\nb" "q\"q"`: {"a", "|&;<>*", "|&;<>*(", ";", "5$", `a\nb`, `q"q`},
		"sh -c 'a && b | c > d'":                   {"sh", "-c", "a && b | c > d"},
		"a b#c d~e":                                {"a", "b#c", "d~e"},
		`a "cost: 5$"`:                             {"a", "cost: 5$"},
	} {
		got, assigned, err := commandWords(line, env)
		if err != nil || !slices.Equal(got, want) || len(assigned) != 0 {
			t.Errorf("%s: %q %q %v, want %q", line, got, assigned, err, want)
		}
	}
	got, assigned, err := commandWords(`A=1 B="x $PORT" node server.js C=2`, env)
	if err != nil || !slices.Equal(got, []string{"node", "server.js", "C=2"}) || !slices.Equal(assigned, []string{"A=1", "B=x 5006"}) {
		t.Errorf("%q %q %v", got, assigned, err)
	}
	for _, line := range []string{"a && b", "a | b", "a; b", "a > f", "a < f", "a `b`", `a "$(b)"`, "a $(b)", "a *.jar", "(a)", "{ a; }",
		"a ~/x", "a # c", "a ${X:?no}", "a $1", "a $$", "a [b]", "a\nb", "a &"} {
		_, _, err := commandWords(line, env)
		var shell *needsShell
		if !errors.As(err, &shell) || !strings.Contains(err.Error(), "needs a shell") {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, line := range []string{"", "A=1", "a 'b", `a "b`, `a \`, "exec", "$EMPTY"} {
		if words, _, err := commandWords(line, env); err == nil {
			t.Errorf("%s: %q", line, words)
		}
	}
}

func TestDotEnv(t *testing.T) {
	got, err := parseDotEnv("\uFEFF# c\r\nA=1\r\n export B = two words # comment\nC=\"x\\ny # \\\"z\\\"\" # c\nD='a\\n$B'\nE=\n\nF=a=b#c\nG.h-1=x\n")
	want := map[string]string{"A": "1", "B": "two words", "C": "x\ny # \"z\"", "D": `a\n$B`, "E": "", "F": "a=b#c", "G.h-1": "x"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	for text, want := range map[string]string{
		"A=1\nwhat": `line 2: "what" is not of the form`, "1A=x": "line 1", "A=\"x": "not closed", "A='x' y": "something follows", "A=x\x00": "NUL",
	} {
		if _, err := parseDotEnv(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzCommandWords(f *testing.F) {
	for _, s := range []string{"a $V ${V:-x} \"$V\" 'q' \\x", "A=b c", "a\"b'c", "$", "${", "a \\", "x$V$V\"$V\""} {
		f.Add(s, "v \"'\\$x *")
	}
	f.Fuzz(func(t *testing.T, line, value string) {
		words, _, err := commandWords(line, map[string]string{"V": value})
		if err == nil && len(words) == 0 {
			t.Errorf("%q: nothing to run and no error", line)
		}
		// A quoted variable is one word with the value as it is.
		if !strings.ContainsRune(value, '\uFFFD') && value != "" {
			got, _, err := commandWords(`prog "$V"`, map[string]string{"V": value})
			if err != nil || len(got) != 2 || got[1] != strings.ToValidUTF8(value, "\uFFFD") && strings.ToValidUTF8(value, "") == value {
				t.Errorf("%q becomes %q, %v", value, got, err)
			}
		}
	})
}

func FuzzDotEnv(f *testing.F) {
	f.Add("A=1\nexport B='x' # y\nC=\"\\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		vars, err := parseDotEnv(text)
		for k, v := range vars {
			if err != nil || k == "" || strings.ContainsAny(k, "=\x00") || strings.ContainsRune(v, 0) {
				t.Errorf("%q=%q, %v", k, v, err)
			}
		}
	})
}
