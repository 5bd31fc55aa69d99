package docker_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"paas/scheduler/agent"
	"paas/scheduler/agent/docker"
	"paas/scheduler/agent/machinetest"
)

// outpost is a runtime on a machine of a lab.
type outpost struct {
	*machinetest.Machine
	cfg   docker.Config
	image string
	rt    *docker.Runtime // the same engine, seen from the tests
	in    io.WriteCloser
	out   *bufio.Scanner
	done  func()
}

func newOutpost(t *testing.T, lab *machinetest.Lab, name string, cfg docker.Config) *outpost {
	t.Helper()
	door := serveOn(t, net.JoinHostPort(lab.Gateway, "0"), registryDoor)
	o := &outpost{Machine: lab.Machine(t, name), image: strings.Replace(imageProg, registryHost, door, 1)}
	resolv := o.Path("resolv.conf")
	if err := os.WriteFile(resolv, []byte("nameserver "+lab.Gateway+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	o.Run(t, "mount", "--bind", resolv, "/etc/resolv.conf")
	o.Engine(t, "--insecure-registry", door)
	cfg.Socket, cfg.Cluster, cfg.Publish = o.Socket(), "outpost", netip.MustParseAddr(o.Addr)
	cfg.RegistryAuth = map[string]docker.Credentials{door: {User: user, Password: secret}}
	o.cfg = cfg
	o.rt = newRuntime(t, o.cfg)
	o.open(t)
	return o
}

// open starts the runtime on the machine.
func (o *outpost) open(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(o.cfg)
	if err != nil {
		t.Fatal(err)
	}
	cmd := o.Command(context.Background(), self)
	cmd.Env = append(os.Environ(), insideEnv+"="+string(text))
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	closed := false
	o.in, o.out = in, bufio.NewScanner(out)
	o.done = func() {
		if closed {
			return
		}
		closed = true
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("inside %s: %v", o.Name, err)
		}
		t.Log(log.String())
	}
	t.Cleanup(o.done)
}

func (o *outpost) tell(t *testing.T, line string) agent.Container {
	t.Helper()
	if _, err := fmt.Fprintln(o.in, line); err != nil {
		t.Fatal(err)
	}
	var said told
	if !o.out.Scan() {
		t.Fatal("the runtime on the machine ended")
	}
	if err := json.Unmarshal(o.out.Bytes(), &said); err != nil || said.Err != "" {
		t.Fatal(said.Err, err)
	}
	return said.Container
}

// start runs the tests' server in an app of its own network.
func (o *outpost) start(t *testing.T, slot int) agent.Container {
	t.Helper()
	a := assign(t, slot, "web")
	a.Image = o.image
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return o.tell(t, string(text))
}

// ask runs the tests' program inside a container.
func (o *outpost) ask(t *testing.T, c agent.Container, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	_, err := o.rt.Exec(deadline(t), c.Instance, append([]string{"/prog"}, args...), nil, false, agent.IO{In: strings.NewReader(""), Out: &out, Err: &out})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}

// serveOn serves until the test ends and gives the address.
func serveOn(t *testing.T, addr string, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return l.Addr().String()
}

// The addresses that every name has at the lab's name server, and at a machine's
// door.
var outside, atTheDoor = netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.8")

// serveNames is the lab's name server.
func serveNames(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(addr, "53"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go answerNames(conn, outside)
}

// answerNames knows every name, at one address, until conn is closed.
func answerNames(conn net.PacketConn, at netip.Addr) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) == 0 {
			continue
		}
		m.Response, m.Additionals = true, nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: at.As4()}}}
		}
		if out, err := m.Pack(); err == nil {
			_, _ = conn.WriteTo(out, from)
		}
	}
}

// What is published is reached by others; what the container may reach is the
// internet, its own app, and nothing else.
func TestFirewall(t *testing.T) {
	lab := machinetest.New(t)
	serveNames(t, lab.Gateway)
	everywhere := serveOn(t, "0.0.0.0:0", http.NotFoundHandler())
	_, port, err := net.SplitHostPort(everywhere)
	if err != nil {
		t.Fatal(err)
	}
	metadata, database, carrier := lab.Address(t, "169.254.77.77"), lab.Address(t, "192.168.177.7"), lab.Address(t, "100.64.77.7")
	o := newOutpost(t, lab, "alpha", docker.Config{EgressAllow: []netip.Prefix{
		netip.MustParsePrefix("192.168.177.0/28"), netip.MustParsePrefix("10.251.0.0/16")}}) // the host is in the second too
	a, sibling, other := o.start(t, 1), o.start(t, 1), o.start(t, 2)

	at := func(host, port string) string { return net.JoinHostPort(host, port) }
	for _, c := range []agent.Container{a, sibling, other} {
		if host, _, _ := net.SplitHostPort(c.Addr); host != o.Addr {
			t.Fatalf("published at %q, not on %s", c.Addr, o.Addr)
		}
		machinetest.Await(t, 5*time.Second, "reached from another machine", func() bool {
			resp, err := http.Get("http://" + c.Addr)
			return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
		})
	}
	open := []string{at(lab.Internet, port), at(sibling.IP, "8080"), at(database, port)}
	shut := []string{at(lab.Gateway, port), at(metadata, port), at(carrier, port),
		at(o.Addr, hostPort), at("10.251.1.1", hostPort), at("10.251.2.1", hostPort), other.Addr, sibling.Addr}
	for _, addr := range append(open, shut...) {
		if addr != open[1] { // all are there for the host itself
			o.Run(t, "curl", "-sS", "-m", "3", "-o", "/dev/null", "http://"+addr)
		}
	}
	see := func() (wrong []string) {
		said := o.ask(t, a, append(append([]string{"reach"}, open...), shut...)...)
		for _, addr := range open {
			if !strings.Contains(said, addr+" open") {
				wrong = append(wrong, addr+" is not open")
			}
		}
		for _, addr := range shut {
			if !strings.Contains(said, addr+" refused") && addr != other.Addr || strings.Contains(said, addr+" open") {
				wrong = append(wrong, addr+" is not refused")
			}
		}
		return wrong
	}
	if wrong := see(); wrong != nil {
		t.Errorf("%v\n%s", wrong, o.Run(t, "iptables", "-S"))
	}
	if said := o.ask(t, a, "reach", at(other.IP, "8080")); strings.Contains(said, "open") {
		t.Error("another app: ", said)
	}
	if said := o.ask(t, a, "lookup", "who.example.com"); !strings.Contains(said, "198.51.100.7") {
		t.Errorf("a name: %s", said)
	}

	// Others flush the tables.
	o.Run(t, "iptables", "-F", "INPUT")
	o.Run(t, "iptables", "-F", "DOCKER-USER")
	t.Logf("they stand again after %s", machinetest.Await(t, 5*time.Second, "shut again", func() bool { return see() == nil }))

	// With the last container the rules go.
	o.done()
	if rules := o.Run(t, "iptables", "-S"); !strings.Contains(rules, "-N PAAS-") {
		t.Errorf("the rules went while containers run:\n%s", rules)
	}
	o.open(t)
	for _, c := range []agent.Container{a, sibling, other} {
		o.tell(t, "-"+c.Instance)
	}
	o.done()
	for _, tool := range []string{"iptables", "ip6tables"} {
		if rules := o.Run(t, tool, "-S"); strings.Contains(rules, "PAAS-") {
			t.Errorf("left of %s:\n%s", tool, rules)
		}
	}
}

// A question for a linked app goes to the door also when the port that asks it has
// asked for another name a moment ago.
func TestDoorAfterAnotherName(t *testing.T) {
	lab := machinetest.New(t)
	serveNames(t, lab.Gateway)
	o := newOutpost(t, lab, "alpha", docker.Config{Doors: docker.DoorPorts{HTTP: 32080, Names: 32053}})
	c := o.start(t, 1)
	said := o.ask(t, c, "query", net.JoinHostPort(lab.Gateway, "53"), "who.example.com", "shop.internal", "internal.example.com", "shop.internal")
	want := fmt.Sprintf("who.example.com [%[1]s] <nil>\nshop.internal [%[2]s] <nil>\ninternal.example.com [%[1]s] <nil>\nshop.internal [%[2]s] <nil>", outside, atTheDoor)
	if said != want {
		t.Errorf("%s\n%s\n%s", said, o.Run(t, "iptables", "-t", "nat", "-S"), o.Run(t, "iptables", "-t", "raw", "-S"))
	}
	o.tell(t, "-"+c.Instance)
	o.done()
	for _, table := range []string{"nat", "raw"} {
		if rules := o.Run(t, "iptables", "-t", table, "-S"); strings.Contains(rules, "PAAS-") {
			t.Errorf("left of %s:\n%s", table, rules)
		}
	}
}
