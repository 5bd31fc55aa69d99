package machinetest_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent/machinetest"
)

// The machines are what the fault tests take them for: apart from each other,
// with an engine each, and gone in a moment.
func TestMachines(t *testing.T) {
	lab := machinetest.New(t)
	a, b := lab.Machine(t, "alpha"), lab.Machine(t, "beta")
	if name := a.Run(t, "hostname"); name != "alpha" {
		t.Errorf("its name is %q", name)
	}
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Listener.Close()
	server.Listener = l
	server.Start()
	defer server.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	reach := func(m *machinetest.Machine, to string) error {
		_, err := m.Try("curl", "-sS", "-m", "2", "http://"+net.JoinHostPort(to, port))
		return err
	}
	for _, to := range []string{lab.Gateway, lab.Internet} {
		if err := reach(a, to); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
	began := time.Now()
	a.Engine(t)
	b.Engine(t)
	t.Logf("two engines after %s", time.Since(began))
	ids := map[string]bool{}
	for _, m := range []*machinetest.Machine{a, b} {
		id, err := m.Docker("info", "--format", "{{.ID}} {{.Name}}")
		if err != nil || !strings.HasSuffix(id, m.Name) {
			t.Errorf("%s: %s, %v", m.Name, id, err)
		}
		ids[id] = true
	}
	if len(ids) != 2 {
		t.Errorf("the engines are %v", ids)
	}

	a.Link(t, false)
	if reach(a, lab.Gateway) == nil {
		t.Error("it reaches others without a cable")
	}
	a.Link(t, true)
	a.Kill()
	if _, err := a.Docker("version"); err == nil {
		t.Error("the engine of a killed machine answers")
	}
	a.Reboot(t)
	a.Engine(t)
	if err := reach(a, lab.Gateway); err != nil {
		t.Error("after its reboot:", err)
	}
}
