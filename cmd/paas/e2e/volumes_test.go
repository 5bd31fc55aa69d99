package e2e

import (
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
