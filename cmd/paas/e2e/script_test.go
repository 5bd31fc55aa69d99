package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"paas/cmd/paas/platformtest"
)

// TestScripts runs testdata/script: people's terminals against the shared
// platform.
func TestScripts(t *testing.T) {
	p := shared.get(t)
	p.user(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, built.Env(env.WorkDir)...)
			repos := map[string]*repo{}
			env.Values["repos"] = repos
			env.Defer(func() { // scripts run side by side: none keeps its dynos until the last has ended
				for app := range repos {
					_, _ = p.paas("apps:destroy", "-a", app, "--confirm", app)
				}
			})
			env.Values["t"] = t
			env.Values["live"] = map[string]func() (string, error){}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"app":   func(ts *testscript.TestScript, _ bool, args []string) { cmdApp(ts, p, args[0]) },
			"wrote": func(ts *testscript.TestScript, _ bool, args []string) { cmdWrote(ts, args) },
			"push": func(ts *testscript.TestScript, _ bool, args []string) {
				cmdPush(ts, p, args[0], args[1], args[2:])
			},
			"pushes":    processCmds(p)["pushes"],
			"limits":    processCmds(p)["limits"],
			"props":     configCmds(p)["props"],
			"unseen":    configCmds(p)["unseen"],
			"masterkey": configCmds(p)["masterkey"],
			"ps":        processCmds(p)["ps"],
			"collector": logCmds(p)["collector"],
			"collected": logCmds(p)["collected"],
			"prompt":    logCmds(p)["prompt"],
			"searched":  logCmds(p)["searched"],
			"file":      func(ts *testscript.TestScript, _ bool, args []string) { cmdFile(ts, args) },
			"refused":   func(ts *testscript.TestScript, _ bool, args []string) { cmdRefused(ts, args) },
			"paas":      func(ts *testscript.TestScript, neg bool, args []string) { cmdPaas(ts, neg, args) },
			"login":     func(ts *testscript.TestScript, _ bool, _ []string) { login(ts, p) },
			"get":       func(ts *testscript.TestScript, _ bool, args []string) { cmdGet(ts, p, args) },
			"running":   func(ts *testscript.TestScript, _ bool, args []string) { cmdRunning(ts, p, args) },
			"logged":    func(ts *testscript.TestScript, _ bool, args []string) { cmdLogged(ts, args) },
			"browse":    func(ts *testscript.TestScript, _ bool, args []string) { cmdBrowse(ts, p, args) },
			"cronid":    func(ts *testscript.TestScript, _ bool, args []string) { cmdCronID(ts, args) },
			"cronran":   func(ts *testscript.TestScript, _ bool, args []string) { cmdCronRan(ts, args) },
			"person":    accessCmds(p)["person"],
			"keep":      accessCmds(p)["keep"],
			"live":      accessCmds(p)["live"],
			"ends":      accessCmds(p)["ends"],
			"exits":     terminalCmds(p)["exits"],
			"ssh":       terminalCmds(p)["ssh"],
			"disks":     func(ts *testscript.TestScript, _ bool, args []string) { cmdDisks(ts, args) },
			"stranger":  func(ts *testscript.TestScript, _ bool, args []string) { cmdStranger(ts, p, args) },
		},
	})
}

// cmdApp makes an app with a work tree whose remote it is, and logs in.
func cmdApp(ts *testscript.TestScript, p *platform, name string) {
	login(ts, p)
	r := p.newApp(ts.Value("t").(*testing.T), name)
	ts.Value("repos").(map[string]*repo)[name] = r
}

// cmdPush commits a version of an app and pushes it, which says so: APP VERSION [TEXT...].
func cmdPush(ts *testscript.TestScript, p *platform, app, version string, says []string) {
	r := ts.Value("repos").(map[string]*repo)[app]
	ts.Check(os.WriteFile(filepath.Join(r.dir, "VERSION"), []byte(version+"\n"), 0o644))
	for _, args := range [][]string{{"add", "-A", "--", "."}, {"commit", "-q", "-m", version}, {"push", "paas", "main"}} {
		out, err := r.try(args...)
		if err != nil {
			ts.Fatalf("git %v: %v\n%s\nserver:\n%s", args, err, out, platformtest.Tail(p.Log.String(), 40))
		}
		for _, text := range says {
			if args[0] == "push" && !strings.Contains(out, text) {
				ts.Fatalf("the push does not say %q:\n%s", text, out)
			}
		}
	}
}

// cmdFile puts a file of the script into an app's work tree: APP PATH FILE; an
// empty FILE removes it.
func cmdFile(ts *testscript.TestScript, args []string) {
	r := ts.Value("repos").(map[string]*repo)[args[0]]
	path := filepath.Join(r.dir, args[1])
	if args[2] == "" {
		ts.Check(os.Remove(path))
		return
	}
	ts.Check(os.WriteFile(path, []byte(ts.ReadFile(args[2])), 0o644))
}

// cmdRefused commits and pushes and wants the push to fail, saying what
// matches: APP REGEXP.
func cmdRefused(ts *testscript.TestScript, args []string) {
	r := ts.Value("repos").(map[string]*repo)[args[0]]
	r.git("add", "-A", "--", ".")
	r.git("commit", "-q", "--allow-empty", "-m", "to be refused")
	out, err := r.try("push", "paas", "main")
	if err == nil || !regexp.MustCompile(args[1]).MatchString(out) {
		ts.Fatalf("the push should fail saying %s; error %v, output:\n%s", args[1], err, out)
	}
}

func login(ts *testscript.TestScript, p *platform) {
	host, port, _ := net.SplitHostPort(p.ssh)
	cmdPaas(ts, false, []string{"login", "ssh://paas@" + net.JoinHostPort(host, port), "-i", built.Key, "-o", "IdentitiesOnly=yes",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"})
}

func cmdPaas(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(built.Paas, args...)
	if err != nil && !neg {
		ts.Fatalf("paas %s: %v", strings.Join(args, " "), err)
	}
	if err == nil && neg {
		ts.Fatalf("paas %s went through", strings.Join(args, " "))
	}
}

// cmdGet asks an app until it answers as wanted: APP PATH TEXT.
func cmdGet(ts *testscript.TestScript, p *platform, args []string) {
	var body string
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		_, body, _ = p.get(args[0], args[1])
		if body == args[2] || strings.HasPrefix(args[2], "H") && strings.Contains(body, args[2]) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s%s answers %q, want %q", args[0], args[1], body, args[2])
}

// cmdRunning waits until an app has N containers: APP N.
func cmdRunning(ts *testscript.TestScript, p *platform, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	t := ts.Value("t").(*testing.T)
	n := -1
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline) && n != want; {
		n = countOf(p.containers(t), "paas-"+args[0]+"-")
	}
	if n != want {
		ts.Fatalf("%d containers of %s, want %d", n, args[0], want)
	}
}

// cmdLogged waits until a line of an app's log matches: APP REGEXP.
func cmdLogged(ts *testscript.TestScript, args []string) {
	re := regexp.MustCompile(args[1])
	var out []byte
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		cmd := exec.Command(built.Paas, "logs", "-n", "1500", "-a", args[0])
		cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
		out, _ = cmd.CombinedOutput()
		if re.Match(out) {
			return
		}
	}
	ts.Fatalf("no line of the log matches %s:\n%s", args[1], out)
}

// cmdStranger runs git with a key that nobody registered, and wants it refused.
func cmdStranger(ts *testscript.TestScript, p *platform, args []string) {
	key := filepath.Join(ts.Getenv("WORK"), "stranger")
	platformtest.Run(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	ssh := strings.Replace(ts.Getenv("GIT_SSH_COMMAND"), built.Key, key, 1)
	ts.Setenv("GIT_SSH_COMMAND", ssh)
	err := ts.Exec(args[0], args[1], fmt.Sprintf("ssh://paas@%s/%s.git", p.ssh, args[2]))
	if err == nil {
		ts.Fatalf("a stranger got in")
	}
}
