package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdBrowse asks as a browser does until a host answers as wanted: HOST STATUS TEXT.
func cmdBrowse(ts *testscript.TestScript, p *platform, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	var status int
	var body string
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		status, body, err = p.browse(args[0])
		if err == nil && status == want && strings.Contains(body, args[2]) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s answers %d %q (%v), want %d %q", args[0], status, body, err, want, args[2])
}

func (p *platform) browse(host string) (int, string, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+p.http+"/", nil)
	if err != nil {
		return 0, "", err
	}
	req.Host, req.Close = host, true
	req.Header.Set("Accept", "text/html,application/xhtml+xml")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// asked runs the CLI as the script's user and gives its JSON in v.
func asked(ts *testscript.TestScript, v any, args ...string) {
	cmd := exec.Command(built.Paas, args...)
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
	out, err := cmd.Output()
	if err != nil {
		ts.Fatalf("paas %s: %v", strings.Join(args, " "), err)
	}
	ts.Check(json.Unmarshal(out, v))
}

// cmdCronID puts the id of the cron whose command holds a text into a
// variable: APP TEXT NAME.
func cmdCronID(ts *testscript.TestScript, args []string) {
	var list []struct{ ID, Command string }
	asked(ts, &list, "cron", "--json", "-a", args[0])
	for _, c := range list {
		if strings.Contains(c.Command, args[1]) {
			ts.Setenv(args[2], c.ID[:8])
			return
		}
	}
	ts.Fatalf("no cron of %s has %q in its command: %v", args[0], args[1], list)
}

// cmdCronRan waits until a cron has so many runs that have ended: APP ID N.
func cmdCronRan(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[2])
	ts.Check(err)
	var list []struct{ State, Name, Reason string }
	for deadline := time.Now().Add(100 * time.Second); time.Now().Before(deadline); {
		asked(ts, &list, "cron:history", args[1], "--json", "-a", args[0])
		ended := 0
		for _, r := range list {
			if r.State != "pending" && r.State != "running" {
				ended++
			}
		}
		if ended >= want {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	ts.Fatalf("cron %s of %s has the runs %v, want %d that ended", args[1], args[0], list, want)
}
