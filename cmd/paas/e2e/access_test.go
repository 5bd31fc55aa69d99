package e2e

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"paas/cmd/paas/platformtest"
)

// accessCmds are the commands of scripts about several people.
func accessCmds(p *platform) map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"person": func(ts *testscript.TestScript, _ bool, args []string) { cmdPerson(ts, p, args) },
		"keep":   func(ts *testscript.TestScript, _ bool, args []string) { cmdKeep(ts, args) },
		"live":   func(ts *testscript.TestScript, _ bool, args []string) { cmdLive(ts, args) },
		"ends":   func(ts *testscript.TestScript, _ bool, args []string) { cmdEnds(ts, args) },
	}
}

// cmdPerson makes the script go on as somebody else, with a home, a key and
// logins of their own; "ann" is the admin that scripts begin as. The key is in
// $KEY, the platform's addresses are in $SSH and $API.
func cmdPerson(ts *testscript.TestScript, p *platform, args []string) {
	home, key := ts.Getenv("WORK"), built.Key
	if args[0] != "ann" {
		home = filepath.Join(ts.Getenv("WORK"), "people", args[0])
		key = filepath.Join(home, ".ssh", "id_ed25519")
		ts.Check(os.MkdirAll(filepath.Dir(key), 0o700))
		if _, err := os.Stat(key); err != nil {
			platformtest.Run(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", args[0]+"@laptop", "-f", key)
		}
	}
	for _, v := range built.Env(home) {
		name, value, _ := strings.Cut(v, "=")
		ts.Setenv(name, strings.Replace(value, built.Key, key, 1))
	}
	ts.Setenv("KEY", key)
	ts.Setenv("SSH", "ssh://paas@"+p.ssh)
	ts.Setenv("API", "http://"+p.api)
	ts.Setenv("SOCKET", filepath.Join(p.data, "run", "paas.sock"))
}

// cmdLive begins something that lasts as the script's user, until it
// prints a line that matches: NAME REGEXP and the arguments of paas.
func cmdLive(ts *testscript.TestScript, args []string) {
	out, in := io.Pipe()
	said := &platformtest.Buffer{}
	cmd := exec.Command(built.Paas, args[2:]...)
	cmd.Stdout, cmd.Stderr = in, io.MultiWriter(in, said)
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "PAAS_URL", "PAAS_TOKEN"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(cmd.Start())
	limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	ts.Defer(func() { _ = cmd.Process.Kill() }) // when the script fails before it wants the end
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait(); limit.Stop(); in.Close() }()
	lines, wanted := bufio.NewScanner(out), regexp.MustCompile(args[1])
	for wait := true; wait; wait = !wanted.MatchString(lines.Text()) {
		if !lines.Scan() {
			ts.Fatalf("%s said nothing like %s: %v %s", args[0], args[1], <-ended, said)
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	stop := func() error {
		defer func() { <-drained }()
		select {
		case err := <-ended:
			return err
		case <-time.After(60 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
			return errGoesOn
		}
	}
	ts.Value("live").(map[string]func() (string, error))[args[0]] = func() (string, error) { err := stop(); return said.String(), err }
}

var errGoesOn = errors.New("it goes on")

// cmdEnds wants what lasts to be taken away within seconds, with words that
// match: NAME REGEXP.
func cmdEnds(ts *testscript.TestScript, args []string) {
	said, err := ts.Value("live").(map[string]func() (string, error))[args[0]]()
	if err == nil || errors.Is(err, errGoesOn) || !regexp.MustCompile(args[1]).MatchString(said) {
		ts.Fatalf("%s ended with %v, saying: %s", args[0], err, said)
	}
}

// cmdKeep puts what a regular expression's group finds in a file of the script
// ("stdout") into a variable: NAME FILE REGEXP.
func cmdKeep(ts *testscript.TestScript, args []string) {
	found := regexp.MustCompile("(?m)" + args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if len(found) < 2 {
		ts.Fatalf("%s does not hold %s", args[1], args[2])
	}
	ts.Setenv(args[0], found[1])
}
