package main

import (
	"strings"
	"testing"
)

// What Heroku's commands are called is taken, or answered with what to do
// instead, whatever flags stand behind it.
func TestHabitsOfHeroku(t *testing.T) {
	for line, want := range map[string]string{
		"pg:psql -a shop": "paas run 'psql $DATABASE_URL'", "addons:create heroku-postgresql:mini --as DB": "config:set DATABASE_URL",
		"certs:auto:enable": "--tls-cert", "pipelines:promote -r staging": "One app per stage", "buildpacks:set heroku/go -a shop": "Dockerfile",
		"features:enable preboot": "preboot", "labs": "preboot", "status": "paas doctor", "tokens": "paas authorizations",
		"rails console": "paas run rails console", "container:push web": "git push", "ps:autoscale:enable web --min 1": "paas ps:scale",
		"auth": "paas whoami", "teams": "access:add",
	} {
		var out, said strings.Builder
		code := run(t.Context(), strings.Fields(line), strings.NewReader(""), &out, &said, []string{"HOME=" + t.TempDir()})
		if code != exitUsage || !strings.Contains(said.String(), want) || strings.Count(said.String(), "\n") != 2 || out.Len() > 0 {
			t.Errorf("%s: %d %s%s", line, code, out.String(), said.String())
		}
	}
}

// Heroku's other names of commands are aliases: they complain of a server that
// is not there, and not of their name.
func TestAliasesOfHeroku(t *testing.T) {
	for _, line := range []string{
		"config:add A=1", "config:remove A", "ps:resize web=Standard-2X", "resize web=Standard-2X", "dyno:restart", "restart web.1", "scale web=2",
		"dyno:scale web=2", "stop web.1", "dyno:kill web.1", "kill run.1", "list", "apps:list", "auth:whoami", "sharing", "sharing:add a@example.com",
		"releases:rollback", "apps:info -s", "info --shell", "create", "apps:delete --confirm shop", "git:remote", "git:clone x",
	} {
		var out, said strings.Builder
		env := []string{"HOME=" + t.TempDir(), "PAAS_APP=shop", "PAAS_URL=http://127.0.0.1:1"}
		code := run(t.Context(), strings.Fields(line), strings.NewReader(""), &out, &said, env)
		if code != exitFailure || !strings.Contains(said.String(), "connection refused") {
			t.Errorf("%s: %d %s%s", line, code, out.String(), said.String())
		}
	}
}

// No answer stands in the way of a command, and no example tells of a command
// that there is not.
func TestHabitsAndExamplesFit(t *testing.T) {
	root := newCLI(strings.NewReader(""), &strings.Builder{}, &strings.Builder{}, nil).rootCommand()
	names := map[string]bool{}
	for _, cmd := range root.Commands() {
		for _, name := range append(cmd.Aliases, cmd.Name()) {
			if names[name] {
				t.Errorf("two commands are called %s", name)
			}
			names[name] = true
		}
	}
	for name := range habits() {
		if names[name] {
			t.Errorf("%s is a command, the answer to it is never seen", name)
		}
	}
	for name, lines := range examples() {
		if !names[name] {
			t.Errorf("example of no command: %s", name)
		}
		for line := range strings.SplitSeq(lines, "\n") {
			_, rest, _ := strings.Cut(" "+line, "paas ")
			if word, _, _ := strings.Cut(strings.TrimRight(rest, ")"), " "); !names[strings.Trim(word, `")`)] {
				t.Errorf("%s: the example %q begins with no command", name, line)
			}
		}
	}
}
