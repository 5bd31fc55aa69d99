package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"paas/cmd/paas/platformtest"
)

// paas doctor says of each machine what it is, and looks at what matters there.
func TestDoctor(t *testing.T) {
	fleet := platformtest.FreeAddr("127.0.0.1")
	p := newPlatform(filepath.Join(built.Dir, "doctor"), "--fleet", fleet, "--fleet-name", fleet)
	t.Cleanup(p.destroy)
	platformtest.Must(p.start())
	r := p.newApp(t, "patient")
	r.push("v0")
	e := p.newEdge(t, "edge-1")
	platformtest.Must(p.Until(60*time.Second, "followed", func() bool { return e.state() == "ready" && e.ask("patient") == "v0" }))

	of := func(dir string) string {
		out, _ := exec.Command(built.Paas, "doctor", "--data-dir", dir).CombinedOutput() // this machine may lack something
		return string(out)
	}
	line := func(out, check string) string {
		for l := range strings.SplitSeq(out, "\n") {
			if strings.Contains(l, "  "+check+"  ") {
				return l
			}
		}
		return "no " + check + " in " + out
	}
	server := of(p.data)
	contains(t, line(server, "this machine"), "ok ", "paas standalone")
	contains(t, line(server, "paas"), "ok ", "healthy")
	contains(t, line(server, "port "+fleet), "in use, while paas runs")
	contains(t, line(server, "hosts"), "1, ")
	contains(t, line(server, "routers"), "2, ")

	router := of(e.dir)
	contains(t, line(router, "this machine"), "the router edge-1 of "+fleet)
	contains(t, line(router, "paas router"), "ok ", "runs")
	contains(t, line(router, "control plane"), "ok ", "knows this router")
	contains(t, line(router, "certificate"), "ok ", "good until")
	contains(t, line(router, "clock"), "ok ", "as the control plane's")
	contains(t, line(router, "routing table"), "ok ", "the newest")
	contains(t, line(router, "ways to hosts"), "ok ", "each of 1")
	contains(t, line(router, "port "+e.http), "in use, while paas runs")

	e.Stop(syscall.SIGKILL)
	contains(t, line(of(e.dir), "paas router"), "warn", "does not run")
	platformtest.Must(p.Until(60*time.Second, "sure that it is lost", func() bool { return e.state() == "lost" }))
	contains(t, of(p.data), "edge-1 is lost")
	p.mustPaas(t, "routers:remove", "edge-1")
	platformtest.Must(p.Until(60*time.Second, "told that it was removed", func() bool {
		return strings.Contains(line(of(e.dir), "control plane"), "fail")
	}))
}
