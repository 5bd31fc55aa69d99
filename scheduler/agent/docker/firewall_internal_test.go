package docker

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"paas/scheduler/agent"
)

func TestRules(t *testing.T) {
	dns := []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")}
	r := newRules("one", v4, []netip.Prefix{netip.MustParsePrefix("10.7.0.9/16"), netip.MustParsePrefix("10.8.0.1/32"), netip.MustParsePrefix("fd00::/8")}, dns, DoorPorts{HTTP: 32080, Names: 32053})
	text := r.restore()
	for _, want := range []string{
		"*filter\n:" + r.input + " - [0:0]\n:" + r.forward + " - [0:0]\n",
		"-A " + r.forward + " -d 10.0.0.2/32 -p udp -m udp --dport 53 -j RETURN\n",
		"-A " + r.forward + " -d 10.7.0.0/16 -j RETURN\n",
		"-A " + r.input + " -d 10.8.0.1/32 -j RETURN\n",
		"-A " + r.forward + " -d 169.254.0.0/16 -j REJECT --reject-with icmp-admin-prohibited\n",
		"-A " + r.forward + " -d 168.63.129.16/32 -j REJECT --reject-with icmp-admin-prohibited\n",
		"-A " + r.input + " -j REJECT --reject-with icmp-admin-prohibited\n",
		"-A " + r.input + " -p tcp -m tcp --dport 32080 -m addrtype --dst-type LOCAL --limit-iface-in -j RETURN\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "-A "+r.input+" -d 10.7.0.0/16") {
		t.Errorf("a network opens the host itself:\n%s", text)
	}
	if strings.Contains(text, "fd00") {
		t.Errorf("IPv6 among IPv4:\n%s", text)
	}
	if text := newRules("one", v6, nil, dns, DoorPorts{HTTP: 32080, Names: 32053}).restore(); !strings.Contains(text, "-d fd00::2/128 -p tcp") || !strings.Contains(text, "-d ::/0 -j REJECT --reject-with icmp6-adm-prohibited") {
		t.Error(text)
	}
	other := newRules("two", v4, nil, nil, DoorPorts{})
	if other.bridges == r.bridges || other.input == r.input {
		t.Errorf("two clusters share %s, %s", r.bridges, r.input)
	}
	if n := bridgeName("one", "paas-x"); len(n) != 15 || !strings.HasPrefix(n, strings.TrimSuffix(r.bridges, "+")) || n == bridgeName("one", "paas-y") {
		t.Errorf("a bridge is called %q", n)
	}
}

func TestRulesAreRemovedInOrder(t *testing.T) {
	lines := strings.Split(`-P INPUT ACCEPT
-N DOCKER-USER
-N PAAS-zzz1-FWD
-N PAAS-zzz1-IN
-N PAAS-other
-A INPUT -i paaszzz1+ -j PAAS-zzz1-IN
-A DOCKER-USER -i paaszzz1+ -j PAAS-zzz1-FWD
-A DOCKER-USER -j RETURN
-A PAAS-zzz1-IN -j REJECT --reject-with icmp-admin-prohibited`, "\n")
	want := []string{"-D INPUT -i paaszzz1+ -j PAAS-zzz1-IN", "-D DOCKER-USER -i paaszzz1+ -j PAAS-zzz1-FWD",
		"-F PAAS-zzz1-FWD", "-X PAAS-zzz1-FWD", "-F PAAS-zzz1-IN", "-X PAAS-zzz1-IN"}
	var got []string
	for _, c := range abandoned(lines) {
		got = append(got, strings.Join(c, " "))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if forwardParent(lines) != "DOCKER-USER" || forwardParent(lines[:1]) != "FORWARD" {
		t.Error("packets are met in the wrong chain")
	}
}

// The host's own ports are nobody's door: what is led away is named exactly.
func TestDoorRules(t *testing.T) {
	r := newDoorRules("one", DoorPorts{HTTP: 32080, Names: 32053})
	for _, want := range []string{"*nat\n:" + r.chain + " - [0:0]\n", "--dport 53 -m string", "--to-ports 32053\n",
		"-p tcp -m tcp --dport 80 -m addrtype --dst-type LOCAL --limit-iface-in -j REDIRECT --to-ports 32080\n"} {
		if text := r.restore(); !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if text := newZoneRules("one").restore(); !strings.Contains(text, "*raw\n:") || !strings.Contains(text, "--dport 53 -m string") || strings.Contains(text, "tcp") {
		t.Error(text)
	}
	if w := newFirewall("one", nil, DoorPorts{}, slog.Default()); len(w.tables) != 2 {
		t.Errorf("without doors there are %d tables", len(w.tables))
	}
}

// Without the tool it is said once, and nothing fails.
func TestFirewallWithoutTool(t *testing.T) {
	var said bytes.Buffer
	w := newFirewall("one", nil, DoorPorts{HTTP: 32080, Names: 32053}, slog.New(slog.NewTextHandler(&said, nil)))
	w.every = 0
	for _, table := range w.tables {
		table.tool.tool = "paas-no-such-tool"
	}
	for range 3 {
		w.complain(w.apply(context.Background()))
	}
	if n := strings.Count(said.String(), "is not installed"); n < 1 || strings.Count(said.String(), "\n") != 3 {
		t.Errorf("said %d times:\n%s", n, &said)
	}
	w.ensure(context.Background(), true) // no bridge of this cluster is here
	if !strings.Contains(said.String(), "network namespace") {
		t.Error(said.String())
	}
}

func TestPublishRefusesEverywhere(t *testing.T) {
	for _, addr := range []string{"0.0.0.0", "::", "224.0.0.1"} {
		if err := (&spec{}).publish(netip.MustParseAddr(addr), 20000, agent.Assignment{Name: "web.1", Port: 80}); err == nil {
			t.Errorf("published on %s", addr)
		}
	}
}

// What an instance was published on is not what the next one is.
func TestPortsAreNotReused(t *testing.T) {
	seen := map[int]int{}
	for range 1000 {
		p := anyPort()
		if seen[p]++; p < firstPort || p >= firstPort+portCount || seen[p] > 8 {
			t.Fatalf("port %d, %d times", p, seen[p])
		}
	}
}
