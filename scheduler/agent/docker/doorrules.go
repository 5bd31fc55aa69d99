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

// internalName is the end of a name in a DNS question: the label "internal" and
// the root.
const internalName = "|08|internal|00|"

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
	// A name begins after the heads of IP, UDP and DNS: 20, 8 and 12 bytes.
	return "*nat\n:" + r.chain + " - [0:0]\n" +
		"-A " + r.chain + " -p udp -m udp --dport 53 -m string --algo bm --icase --hex-string \"" + internalName + "\" --from 40 --to 320 -j REDIRECT --to-ports " + r.doors.names() + "\n" +
		"-A " + r.chain + " -p tcp -m tcp --dport 80 " + ownAddress + " -j REDIRECT --to-ports " + r.doors.http() + "\n" +
		"COMMIT\n"
}

func (r doorRules) jumps([]string) [][]string {
	return [][]string{{"PREROUTING", "-i", r.bridges, "-j", r.chain}}
}

func (r doorRules) mine(lines []string) string { return naming(lines, r.chain) }
