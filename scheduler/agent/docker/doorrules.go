package docker

import "strconv"

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

// doorRules are a cluster's chain in the nat table. Questions for names of linked
// apps are taken out of the way to whichever name server they were for; all others
// pass as they would without. The engine's resolver asks each from a fresh port,
// so each is a connection of its own to the kernel. Ports 80 and 53 of the host
// itself stay with whoever listens there.
type doorRules struct {
	bridges, chain string
	doors          DoorPorts
}

func newDoorRules(cluster string, doors DoorPorts) doorRules {
	return doorRules{bridges: bridgePrefix(cluster) + "+", chain: chainName(clusterTag(cluster), "DOOR"), doors: doors}
}

func (r doorRules) restore() string {
	return "*nat\n:" + r.chain + " - [0:0]\n" +
		"-A " + r.chain + " " + internalQuestion + " -j REDIRECT --to-ports " + r.doors.names() + "\n" +
		"-A " + r.chain + " -p tcp -m tcp --dport 80 " + ownAddress + " -j REDIRECT --to-ports " + r.doors.http() + "\n" +
		"COMMIT\n"
}

func (r doorRules) jumps([]string) [][]string { return arriving(r.bridges, r.chain) }

func (r doorRules) mine(lines []string) string { return naming(lines, r.chain) }

// arriving leads what comes from the bridges to a chain before it is routed.
func arriving(bridges, chain string) [][]string {
	return [][]string{{"PREROUTING", "-i", bridges, "-j", chain}}
}

// zone is where the kernel keeps the questions that doorRules lead away.
const zone = "53"

// zoneRules are a cluster's chain in the raw table. The kernel decides once where
// the packets of a connection go, and to it all questions that one port asks of a
// name server within 30 s are one connection: the engine's resolver takes a random
// port for each, so that one for a linked app would now and then go where an
// earlier one for another name went, and such an app would not exist. In a zone of
// their own they are never taken for the others'.
type zoneRules struct{ bridges, chain string }

func newZoneRules(cluster string) zoneRules {
	return zoneRules{bridges: bridgePrefix(cluster) + "+", chain: chainName(clusterTag(cluster), "ZONE")}
}

func (r zoneRules) restore() string {
	return "*raw\n:" + r.chain + " - [0:0]\n-A " + r.chain + " " + internalQuestion + " -j CT --zone-orig " + zone + "\nCOMMIT\n"
}

func (r zoneRules) jumps([]string) [][]string { return arriving(r.bridges, r.chain) }

func (r zoneRules) mine(lines []string) string { return naming(lines, r.chain) }
