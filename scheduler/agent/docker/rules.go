package docker

import (
	"bufio"
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// family is IPv4 or IPv6. The apps' networks are IPv4; of IPv6 a container has
// a link-local address at most, and nothing to say with it.
type family int

const (
	v4 family = 4
	v6 family = 6
)

// there is false on machines without the family.
func (f family) there() bool {
	if f == v4 {
		return true
	}
	_, err := os.Stat("/proc/net/if_inet6")
	return err == nil
}

// closed are the networks that containers do not reach: private ones, where
// the hosts, their databases and the published ports of other apps are, and
// link-local, where clouds serve a machine's credentials. Some clouds serve them
// elsewhere: 168.63.129.16 is Azure's, 192.0.0.192 Oracle's.
func (f family) closed() []string {
	if f == v6 {
		return []string{"::/0"}
	}
	return []string{"169.254.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
		"168.63.129.16/32", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4"}
}

// clusterTag is a cluster's name in those of bridges and chains.
func clusterTag(cluster string) string { return short(cluster, 4) }

// bridgePrefix begins the names of all bridges of a cluster and of no other's,
// so that one rule ("-i paasabcd+") covers its containers.
func bridgePrefix(cluster string) string { return "paas" + clusterTag(cluster) }

// bridgeName is that of one app's bridge. Interfaces have 15 bytes.
func bridgeName(cluster, network string) string {
	return bridgePrefix(cluster) + short(cluster+"\x00"+network, 7)
}

func short(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:n]
}

// rules are the chains of one cluster in one family's filter table.
type rules struct {
	tag, bridges   string // "abcd", "paasabcd+"
	input, forward string // our chains
	dns            []netip.Addr
	doors          DoorPorts
	allow          []netip.Prefix
	closed         []string
	prohibited     string // how a packet is refused
	hostBits       string // of a single address
}

func newRules(cluster string, f family, allow []netip.Prefix, dns []netip.Addr, doors DoorPorts) rules {
	tag := clusterTag(cluster)
	r := rules{tag: tag, bridges: bridgePrefix(cluster) + "+", closed: f.closed(), prohibited: "icmp-admin-prohibited", hostBits: "/32"}
	if f == v6 {
		r.prohibited, r.hostBits = "icmp6-adm-prohibited", "/128"
	}
	r.input, r.forward = chainName(tag, "IN"), chainName(tag, "FWD")
	if f == v4 {
		r.doors = doors
	}
	for _, a := range dns {
		if a.Is4() == (f == v4) {
			r.dns = append(r.dns, a)
		}
	}
	for _, p := range allow {
		if p.Addr().Is4() == (f == v4) {
			r.allow = append(r.allow, p.Masked())
		}
	}
	return r
}

func chainName(tag, what string) string { return "PAAS-" + tag + "-" + what }

// Packets come to these chains from the bridges only.
func (r rules) restore() string {
	var b strings.Builder
	line := func(s ...string) { b.WriteString(strings.Join(s, " ") + "\n") }
	line("*filter")
	line(":"+r.input, "- [0:0]")
	line(":"+r.forward, "- [0:0]")
	for _, chain := range []string{r.input, r.forward} {
		// Answers to who asked the container: the router, the probe.
		line("-A", chain, "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN")
		for _, a := range r.dns {
			for _, proto := range []string{"udp", "tcp"} {
				line("-A", chain, "-d", a.String()+r.hostBits, "-p", proto, "-m", proto, "--dport 53 -j RETURN")
			}
		}
		for _, p := range r.allow {
			// A network of others' machines must not open this one, which is in
			// it as well: its own address has to be named.
			if chain == r.forward || p.IsSingleIP() {
				line("-A", chain, "-d", p.String(), "-j RETURN")
			}
		}
	}
	if r.doors.wanted() {
		line("-A", r.input, "-p udp -m udp --dport", r.doors.names(), ownAddress, "-j RETURN")
		line("-A", r.input, "-p tcp -m tcp --dport", r.doors.http(), ownAddress, "-j RETURN")
	}
	line("-A", r.input, "-j REJECT --reject-with", r.prohibited)
	// Within one bridge: an app's own. Between two the engine's isolation
	// drops it further down.
	line("-A", r.forward, "-o", r.bridges, "-j RETURN")
	for _, c := range r.closed {
		line("-A", r.forward, "-d", c, "-j REJECT --reject-with", r.prohibited)
	}
	line("COMMIT")
	return b.String()
}

func (r rules) jumps(lines []string) [][]string {
	return [][]string{
		{"INPUT", "-i", r.bridges, "-j", r.input},
		{forwardParent(lines), "-i", r.bridges, "-j", r.forward},
	}
}

func (r rules) mine(lines []string) string { return naming(lines, r.input, r.forward) }

// naming are the lines that name one of the chains.
func naming(lines []string, chains ...string) string {
	var out []string
	for _, l := range lines {
		if slices.ContainsFunc(chains, func(c string) bool { return strings.Contains(l, c) }) {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}

// forwardParent is the chain that forwarded packets pass first. The engine
// puts its own in front of FORWARD and leaves DOCKER-USER, before them, to
// others.
func forwardParent(lines []string) string {
	if slices.Contains(lines, "-N DOCKER-USER") {
		return "DOCKER-USER"
	}
	return "FORWARD"
}

// chainsOf takes from a listing what belongs to a cluster: jumps first, as a
// chain that something leads to cannot be removed.
func chainsOf(lines []string, tag string) [][]string {
	var jumps, chains [][]string
	for _, l := range lines {
		f := strings.Fields(l)
		switch {
		case len(f) == 2 && f[0] == "-N" && strings.HasPrefix(f[1], chainName(tag, "")):
			chains = append(chains, []string{"-F", f[1]}, []string{"-X", f[1]})
		case len(f) > 3 && f[0] == "-A" && strings.HasPrefix(f[len(f)-1], chainName(tag, "")):
			jumps = append(jumps, append([]string{"-D"}, f[1:]...))
		}
	}
	return append(jumps, chains...)
}

// abandoned is what clusters left here whose last network is gone: they were
// removed while no paas of theirs ran.
func abandoned(lines []string) [][]string {
	var out [][]string
	seen := map[string]bool{}
	for _, l := range lines {
		rest, ours := strings.CutPrefix(l, "-N PAAS-")
		tag, _, named := strings.Cut(rest, "-")
		if !ours || !named || len(tag) != 4 || seen[tag] {
			continue
		}
		seen[tag] = true
		if here, err := bridgesHere("paas" + tag); err == nil && !here {
			out = append(out, chainsOf(lines, tag)...)
		}
	}
	return out
}

// nameservers are those that the engine's resolver asks for the containers. It
// asks from inside their network, so the way there has to be open.
func nameservers() []netip.Addr {
	var out []netip.Addr
	for _, path := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			fields := strings.Fields(s.Text())
			if len(fields) < 2 || fields[0] != "nameserver" {
				continue
			}
			a, err := netip.ParseAddr(fields[1])
			if err == nil && a.Zone() == "" && !a.IsLoopback() && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
		_ = f.Close() // read-only
	}
	return out
}

// ask names the machine's name servers to the engine, which from 28 on asks those
// that it finds itself from the machine's network: past the rules that lead
// questions for names of linked apps away. Without one it does as it does.
func (s *spec) ask(servers []netip.Addr) {
	for _, a := range servers {
		s.host.DNS = append(s.host.DNS, a.String())
	}
}
