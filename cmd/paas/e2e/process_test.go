package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"paas/cmd/paas/platformtest"
)

// processCmds are the script commands about process types and what they run.
func processCmds(p *platform) map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"pushes": func(ts *testscript.TestScript, _ bool, args []string) { cmdPushes(ts, args) },
		"limits": func(ts *testscript.TestScript, _ bool, args []string) { cmdLimits(ts, p, args) },
		"ps":     func(ts *testscript.TestScript, _ bool, args []string) { cmdPs(ts, args) },
	}
}

// cmdPushes commits and pushes a version of an app and wants the output to
// match in that order: APP VERSION REGEXP…
func cmdPushes(ts *testscript.TestScript, args []string) {
	r := ts.Value("repos").(map[string]*repo)[args[0]]
	ts.Check(os.WriteFile(filepath.Join(r.dir, "VERSION"), []byte(args[1]+"\n"), 0o644))
	r.git("add", "-A", "--", ".")
	r.git("commit", "-q", "--allow-empty", "-m", args[1])
	out, err := r.try("push", "paas", "main")
	if err != nil {
		ts.Fatalf("git push: %v\n%s\nserver:\n%s", err, out, platformtest.Tail(r.p.Log.String(), 40))
	}
	rest := out
	for _, want := range args[2:] {
		at := regexp.MustCompile(want).FindStringIndex(rest)
		if at == nil {
			ts.Fatalf("the push's output lacks %s (in that order):\n%s", want, out)
		}
		rest = rest[at[1]:]
	}
}

// cmdLimits wants a process's container to have limits: APP NAME MEMORY CPUS,
// in bytes and thousandths.
func cmdLimits(ts *testscript.TestScript, p *platform, args []string) {
	id, err := os.ReadFile(filepath.Join(p.data, "cluster-id"))
	ts.Check(err)
	out, err := exec.Command("docker", "ps", "-q", "--filter", "label=paas.cluster="+strings.TrimSpace(string(id)),
		"--filter", "label=paas.app="+args[0], "--filter", "label=paas.name="+args[1]).Output()
	ts.Check(err)
	containers := strings.Fields(string(out))
	if len(containers) != 1 {
		ts.Fatalf("%d containers of %s %s", len(containers), args[0], args[1])
	}
	out, err = exec.Command("docker", "inspect", "--format",
		"{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}", "--", containers[0]).Output()
	ts.Check(err)
	want := fmt.Sprintf("%s %s %s000000 256", args[2], args[2], args[3])
	if got := strings.TrimSpace(string(out)); got != want {
		ts.Fatalf("limits %q, want %q", got, want)
	}
}

// cmdPs asks paas ps until what it prints matches: APP REGEXP.
func cmdPs(ts *testscript.TestScript, args []string) {
	t := ts.Value("t").(*testing.T)
	re := regexp.MustCompile(args[1])
	var out []byte
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline) && t.Context().Err() == nil; {
		cmd := exec.Command(built.Paas, "ps", "-a", args[0])
		cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
		out, _ = cmd.CombinedOutput()
		if re.Match(out) {
			return
		}
	}
	ts.Fatalf("ps of %s does not come to match %s:\n%s", args[0], args[1], out)
}
