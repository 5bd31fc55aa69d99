package platformtest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
)

// taken counts what was given out; where it begins is the process's, for several
// test programs may run on a machine.
var taken atomic.Int64

func next() int { return os.Getpid() + int(taken.Add(1)) }

// FreeAddr is a port that nobody has at a host, and none that the kernel gives
// to outgoing connections: the program binds it later than this.
func FreeAddr(host string) string {
	for range 10000 {
		addr := net.JoinHostPort(host, strconv.Itoa(10000+7*next()%10000))
		l, err := net.Listen("tcp", addr)
		if err == nil {
			_ = l.Close()
			return addr
		}
	}
	panic("no free port")
}

// FreeSubnet is the next of n networks that no interface of the machine has an
// address in: what another program left or uses is in nobody's way. The
// networks' numbers begin with first and are step apart.
func FreeSubnet(format string, first, step, n int) string {
	had, err := net.InterfaceAddrs()
	Must(err)
	for range n {
		want := netip.MustParsePrefix(fmt.Sprintf(format, first+step*(next()%n)))
		if !slices.ContainsFunc(had, func(a net.Addr) bool {
			have, err := netip.ParsePrefix(a.String())
			return err == nil && have.Overlaps(want)
		}) {
			return want.String()
		}
	}
	panic("no free subnet")
}
