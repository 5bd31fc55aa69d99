package main

import (
	"bytes"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"paas/server/client"
)

// Every command and every flag of the CLI is either there over SSH or refused,
// by a decision that somebody made: a new one fails here until then.
func TestVerbsAreDecided(t *testing.T) {
	root := newCLI(strings.NewReader(""), io.Discard, io.Discard, nil).rootCommand()
	may, not, flags := verbs(), refusedVerbs(), refusedFlags()
	seen := map[string]bool{}
	for _, cmd := range root.Commands() {
		name := cmd.Name()
		if name == "help" {
			continue
		}
		seen[name] = true
		v, allowed := may[name]
		_, refused := not[name]
		if allowed == refused {
			t.Errorf("%s: is it to be had over SSH? Add it to verbs or to refusedVerbs", name)
		}
		if cmd.HasSubCommands() && !refused { // a refusal answers those below it too
			t.Errorf("%s has commands below it, which nobody looks at", name)
		}
		if !allowed {
			continue
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			no := slices.Contains(append(flags[name], flags[""]...), f.Name)
			if v.allows(f.Name, "-") == no {
				t.Errorf("%s --%s: is it to be had over SSH? Add it to verbs or to refusedFlags", name, f.Name)
			}
		})
		for _, known := range strings.Fields(v.flags + " " + v.stdin) {
			if cmd.Flags().Lookup(known) == nil && name != "run:inside" && name != "run:detached" && name != "accounts:create" && name != "accounts:admin" {
				t.Errorf("%s has no flag --%s any more", name, known)
			}
		}
	}
	for name := range may {
		if !seen[name] {
			t.Errorf("there is no command %s any more", name)
		}
	}
}

// What of the CLI touches the machine it runs on asks first where it runs, or
// is known not to be reached over SSH.
func TestNothingOfTheServerIsTouched(t *testing.T) {
	known := []string{
		"freePlace", "placeNew", "forwardFrom", // behind copyOut and forwardAll
		"resizes", // of a screen, which a client over SSH is not
		"dialAs",  // with the command's own token
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	risky := map[string][]string{
		"os": {"Open", "OpenFile", "Create", "CreateTemp", "MkdirTemp", "Mkdir", "MkdirAll", "ReadFile", "WriteFile", "ReadDir", "Stat", "Lstat", "Remove", "RemoveAll",
			"Rename", "Link", "Symlink", "Readlink", "Chmod", "Chdir", "Getwd", "Getenv", "LookupEnv", "Environ", "Setenv", "ExpandEnv", "Exit", "StartProcess", "DirFS", "UserHomeDir", "Hostname", "Stdin", "Stdout", "Stderr"},
		"exec": {"Command", "CommandContext", "LookPath"}, "net": {"Dial", "DialTimeout", "Listen", "ListenConfig", "Dialer", "LookupHost"},
		"http": {"Get", "Post", "DefaultClient", "ProxyFromEnvironment", "ListenAndServe"}, "signal": {"Notify", "Ignore", "Reset", "NotifyContext"},
		"client": {"New"}, "syscall": {"Kill", "Exec"}, "filepath": {"Glob", "Walk", "WalkDir", "EvalSymlinks"},
	}
	for _, file := range files {
		isCLI := strings.HasPrefix(file, "cli_") || strings.HasPrefix(file, "sshverbs")
		if !isCLI || strings.HasSuffix(file, "_test.go") || file == "cli_local.go" || file == "cli_creds.go" {
			continue // local_*.go and cli_local.go serve one refused command
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			touches, asks := "", false
			ast.Inspect(fn, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if sel.Sel.Name == "away" {
					asks = true
				}
				if pkg, ok := sel.X.(*ast.Ident); ok && slices.Contains(risky[pkg.Name], sel.Sel.Name) {
					touches = pkg.Name + "." + sel.Sel.Name
				}
				return true
			})
			name := fn.Name.Name
			if touches != "" && !asks && !slices.Contains(known, name) {
				t.Errorf("%s: %s uses %s and does not ask whether it is away", file, name, touches)
			}
		}
	}
}

// away runs a command line as over SSH, without a server behind it.
func away(t *testing.T, stdin string, words ...string) (code int, out, stderr string) {
	t.Helper()
	var o, e bytes.Buffer
	c := newCLI(strings.NewReader(stdin), &o, &e, nil)
	c.away = true
	c.dial = func() (*client.Client, error) { return nil, errors.New("the API was asked") }
	code = c.execute(context.Background(), c.awayRoot(), words)
	return code, o.String(), e.String()
}

func TestAwayRefuses(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	for line, want := range map[string]string{
		"login":                         "cannot be given over SSH",
		"logout":                        "cannot be given over SSH",
		"join https://example.com code": "cannot be given over SSH",
		"open -a x":                     "cannot be given over SSH",
		"local web":                     "cannot be given over SSH",
		"local:start web":               "cannot be given over SSH",
		"standalone --data-dir /":       "cannot be given over SSH",
		"doctor":                        "cannot be given over SSH",
		"agent":                         "cannot be given over SSH",
		"agent join example.com:8443 token --ca c": "cannot be given over SSH",
		"hosts --socket " + secret:                 "cannot be given over SSH",
		"hosts:remove host-2 --socket " + secret:   "cannot be given over SSH",
		"mirror:import x " + secret:                "cannot be given over SSH",
		"config:edit -a x":                         "cannot be given over SSH",
		"completion bash":                          "cannot be given over SSH",
		"ps:forward 80 -a x":                       "cannot be given over SSH",
		"config:set -a x --file " + secret:         "names a file of your machine",
		"config:set -a x --file=" + secret:         "names a file of your machine",
		"files:set /x -a x --file " + secret:       "names a file of your machine",
		"keys:add " + secret:                       "does not see the files",
		"accounts:create a@b.c --key " + secret:    "names a file of your machine",
		"accounts:create a@b.c --socket " + secret: "cannot be given over SSH",
		"ps:copy /etc/passwd -a x -o " + secret:    "cannot be given over SSH",
		"ps -r origin":                             "--remote names a git remote of your machine",
		"run -r origin ls":                         "--remote names a git remote of your machine",
		"run ls -r origin":                         "--remote names a git remote of your machine",
		"ps":                                       "Which app?",
		"ps --server unix:///etc":                  "unknown flag",
		"--server unix:///etc ps":                  "unknown flag",
		"nonsense":                                 "paas has no command nonsense",
		"__complete ps":                            "paas has no command __complete",
		"--x y __complete ps -a":                   "paas has no command __complete",
		"--x=y __completeNoDesc ps":                "paas has no command __complete",
		"ps -a x":                                  "the API was asked",
		"run ls -a x":                              "the API was asked",
		"version --nope":                           "unknown flag",
	} {
		code, _, stderr := away(t, "", strings.Fields(line)...)
		if code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %q; want %q", line, code, stderr, want)
		}
	}
	code, out, _ := away(t, "", "help")
	if code != 0 || !strings.Contains(out, "config:set") || strings.Contains(out, "standalone") || strings.Contains(out, "ps:forward") {
		t.Errorf("help: %d %s", code, out)
	}
	if code, out, _ := away(t, "", "help", "config:set"); code != 0 || !strings.Contains(out, "KEY=VALUE") || strings.Contains(out, "--remote") {
		t.Errorf("help config:set: %d %s", code, out)
	}
}

// However a command line is made, nothing of it runs but a verb.
func FuzzAway(f *testing.F) {
	for _, s := range []string{"ps -a x", "run ls -a x", "run -- -a", "help", "__complete ps", "--help", "-h", "run -a", "keys:add -", "config:set A=1 -a x --file -", "ps --remote", "login"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Fields(line)
		if len(words) == 0 {
			return
		}
		var o, e bytes.Buffer
		c := newCLI(strings.NewReader(""), &o, &e, nil)
		c.away = true
		asked := false
		c.dial = func() (*client.Client, error) { asked = true; return nil, errors.New("the API was asked") }
		root := c.awayRoot()
		c.execute(context.Background(), root, words)
		cmd, _, err := root.Find(words)
		if _, ok := verbs()[cmd.Name()]; asked && (err != nil || !ok) {
			t.Errorf("%q asked the API as %s", line, cmd.Name())
		}
	})
}

// Flags of paas are found behind the command that is to run, but nothing of
// that command is taken for them.
func TestRunWords(t *testing.T) {
	for line, want := range map[string]string{
		"bash":                       "|bash",
		"bash -a shop":               "shop|bash",
		"-a shop bash":               "shop|bash",
		"rake db:migrate --app=shop": "shop|rake db:migrate",
		"ls -la":                     "|ls -la",
		"app -mode sum -a shop":      "shop|app -mode sum",
		"-- bash -a shop":            "|bash -a shop",
		"-a shop -- ls -a other":     "shop|ls -a other",
		"bash -- -a shop":            "|bash -a shop",
		"curl -x proxy":              "|curl proxy", // Heroku's too: -- is there for that
		"prog --help":                "|prog --help",
		"prog --unknown v":           "|prog --unknown v",
		"-x prog --size Big":         "|prog",
	} {
		c := newCLI(strings.NewReader(""), io.Discard, io.Discard, nil)
		cmd := c.runCommand()
		var got []string
		cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
			got, err = c.commandWords(cmd, args)
			return err
		}
		cmd.SetArgs(strings.Fields(line))
		if err := cmd.Execute(); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		app, _ := cmd.Flags().GetString("app")
		if all := app + "|" + strings.Join(got, " "); all != want {
			t.Errorf("%s: %s, want %s", line, all, want)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for want, words := range map[string][]string{
		"echo $HOME":       {"echo", "$HOME"},
		"a | b":            {"a | b"},
		"sh -c 'echo a b'": {"sh", "-c", "echo a b"},
		"say '' b":         {"say", "", "b"},
		`say 'it'\''s'`:    {"say", "it's"},
	} {
		if got := commandLine(words); got != want {
			t.Errorf("%q: %s, want %s", words, got, want)
		}
	}
}

func TestParseForwards(t *testing.T) {
	got, err := parseForwards("8080,9090:90")
	if err != nil || !slices.Equal(got, []forwarding{{8080, 8080}, {9090, 90}}) {
		t.Errorf("%v %v", got, err)
	}
	for _, bad := range []string{"", "x", "80:", ":80", "70000", "80:0", "1,,2", "-1", strings.Repeat("1,", 30) + "1"} {
		if got, err := parseForwards(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}
