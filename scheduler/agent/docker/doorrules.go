package docker

import (
	"strconv"
	"strings"
)

// DoorPorts are the ports of the host, on its own address in each app's network,
// that the app's questions for names ending in ".internal" (UDP) and its requests
// to port 80 of that address (TCP) are led to. Zero: there are none.
type DoorPorts struct{ HTTP, Names uint16 }

func (d DoorPorts) wanted() bool  { return d.HTTP != 0 && d.Names != 0 }
func (d DoorPorts) http() string  { return strconv.Itoa(int(d.HTTP)) }
func (d DoorPorts) names() string { return strconv.Itoa(int(d.Names)) }

// ownAddress matches packets to the host's own address on the bridge they came
// in by, and to no other address of the machine.
const ownAddress = "-m addrtype --dst-type LOCAL --limit-iface-in"

// internalQuestion matches questions for names that end in ".internal": the label
// and the root. A name begins after the heads of IP, UDP and DNS: 20, 8 and 12
// bytes.
const internalQuestion = "-p udp -m udp --dport 53 -m string --algo bm --icase --hex-string \"|08|internal|00|\" --from 40 --to 320"

// doorChain is a cluster's chain in one table, for what arrives from its bridges
// and before that is routed.
type doorChain struct {
	table, bridges, chain string
	rules                 []string
}

func newDoorChain(cluster, table, what string, rules ...string) doorChain {
	return doorChain{table: table, bridges: bridgePrefix(cluster) + "+", chain: chainName(clusterTag(cluster), what), rules: rules}
}

// newDoorRules takes questions for names of linked apps out of the way to whichever
// name server they were for; all others pass as they would without. Ports 80 and 53
// of the host itself stay with whoever listens there.
func newDoorRules(cluster string, doors DoorPorts) doorChain {
	return newDoorChain(cluster, "nat", "DOOR",
		internalQuestion+" -j REDIRECT --to-ports "+doors.names(),
		"-p tcp -m tcp --dport 80 "+ownAddress+" -j REDIRECT --to-ports "+doors.http())
}

// zone is where the kernel keeps the questions that newDoorRules leads away.
const zone = "53"

// newZoneRules keeps those questions apart. The kernel decides once where the
// packets of a connection go, and to it all questions that one port asks of a name
// server within 30 s are one connection: the engine's resolver takes a random port
// for each, so that one for a linked app would now and then go where an earlier one
// for another name went, and such an app would not exist. In a zone of their own
// they are never taken for the others'.
func newZoneRules(cluster string) doorChain {
	return newDoorChain(cluster, "raw", "ZONE", internalQuestion+" -j CT --zone-orig "+zone)
}

func (r doorChain) restore() string {
	var b strings.Builder
	b.WriteString("*" + r.table + "\n:" + r.chain + " - [0:0]\n")
	for _, rule := range r.rules {
		b.WriteString("-A " + r.chain + " " + rule + "\n")
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

func (r doorChain) jumps([]string) [][]string {
	return [][]string{{"PREROUTING", "-i", r.bridges, "-j", r.chain}}
}

func (r doorChain) mine(lines []string) string { return naming(lines, r.chain) }
