package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdDisks waits until the engine has N volumes of an app: APP N.
func cmdDisks(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	n := -1
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		out, err := exec.Command("docker", "volume", "ls", "-q", "--filter", "label=paas.app="+args[0]).Output()
		ts.Check(err)
		if n = len(strings.Fields(string(out))); n == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("%d volumes of %s, want %d", n, args[0], want)
}

// cmdWrote waits until paas ps says that an app has written to a directory
// outside a volume: APP DIRECTORY.
func cmdWrote(ts *testscript.TestScript, args []string) {
	var out []byte
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		cmd := exec.Command(built.Paas, "ps", "-a", args[0])
		cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
		if out, _ = cmd.CombinedOutput(); strings.Contains(string(out), " to "+args[1]+", outside a volume") {
			return
		}
	}
	ts.Fatalf("nothing of %s in:\n%s", args[1], out)
}
