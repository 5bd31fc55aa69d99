package drain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"paas/server"
)

// Guard decides where log lines may be sent: to public addresses that are not
// this machine's, and to those that the operator allows. It is a
// server.DrainGuard, and a net.Dialer's Control: there it sees the address that
// is really connected to, whatever the name said a moment before.
type Guard struct {
	// Allow are networks that may be sent to although they are not public:
	// collectors of the installation itself.
	Allow []netip.Prefix
	// Resolve looks up a host name; nil is the machine's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Own are the machine's addresses; nil asks its network interfaces.
	Own func() []netip.Addr
}

var _ server.DrainGuard = (*Guard)(nil)

const resolveTimeout = 5 * time.Second

// special are the networks that are nobody's on the public internet, by what
// to call them. IPv6 has public addresses in 2000::/3 only.
var special = []struct{ prefix, what string }{
	{"0.0.0.0/8", "not an address of one host"},
	{"10.0.0.0/8", "a private address"},
	{"100.64.0.0/10", "a private address (carrier-grade NAT)"},
	{"127.0.0.0/8", "this machine itself"},
	{"169.254.0.0/16", "a link-local address (cloud metadata)"},
	{"172.16.0.0/12", "a private address"},
	{"192.0.0.0/24", "a reserved address"},
	{"192.0.2.0/24", "a reserved address"},
	{"192.88.99.0/24", "a reserved address"},
	{"192.168.0.0/16", "a private address"},
	{"198.18.0.0/15", "a reserved address"},
	{"198.51.100.0/24", "a reserved address"},
	{"203.0.113.0/24", "a reserved address"},
	{"224.0.0.0/3", "a multicast or reserved address"},
	{"::1/128", "this machine itself"},
	{"fc00::/7", "a private address"},
	{"fe80::/10", "a link-local address"},
	{"ff00::/8", "a multicast address"},
	{"2001::/23", "a reserved address"},
	{"2001:db8::/32", "a reserved address"},
	{"2002::/16", "a tunnel to an IPv4 address (6to4)"},
	{"3fff::/20", "a reserved address"},
}

// refusal says why nothing may be sent to an address, "" when it may.
func (g *Guard) refusal(addr netip.Addr) string {
	addr = addr.WithZone("").Unmap()
	for _, p := range g.Allow {
		if p.Contains(addr) {
			return ""
		}
	}
	for _, s := range special {
		if netip.MustParsePrefix(s.prefix).Contains(addr) {
			return s.what
		}
	}
	if addr.Is6() && !netip.MustParsePrefix("2000::/3").Contains(addr) {
		return "not a public address"
	}
	own := g.Own
	if own == nil {
		own = ownAddrs
	}
	for _, a := range own() {
		if a.WithZone("").Unmap() == addr {
			return "this machine itself"
		}
	}
	return ""
}

func ownAddrs() []netip.Addr {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil // the kernel says; without it there is no connection either
	}
	var own []netip.Addr
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr())
		}
	}
	return own
}

// refusedError says that the guard did not let a connection be made.
type refusedError struct {
	addr netip.Addr
	what string
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("%s is %s, where no log lines are sent", e.addr, e.what)
}

// Control is for net.Dialer: it is asked with each address before the
// connection is made.
func (g *Guard) Control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("drain address: %w", err)
	}
	if what := g.refusal(ap.Addr()); what != "" {
		return &refusedError{ap.Addr().Unmap(), what}
	}
	return nil
}

// Check says, before a drain is added, whether there is an address behind
// host that may be sent to.
func (g *Guard) Check(ctx context.Context, host string, _ int) error {
	const none = " No drain was added."
	next := "A collector inside is the operator's to allow: paas standalone --drain-allow CIDR"
	if addr, err := netip.ParseAddr(host); err == nil {
		if what := g.refusal(addr); what != "" {
			return &server.Error{ID: server.ErrInvalid, Message: fmt.Sprintf("%s is %s: log lines are sent to public addresses only.%s", host, what, none), Next: next}
		}
		return nil
	}
	addrs, err := g.lookup(ctx, host)
	if err != nil {
		return &server.Error{ID: server.ErrInvalid, Message: fmt.Sprintf("The host %s was not found: %s.%s", host, reason(err), none), Next: "Check the name and try again."}
	}
	what := "without an address"
	for _, a := range addrs {
		if what = g.refusal(a); what == "" {
			return nil
		}
	}
	return &server.Error{ID: server.ErrInvalid, Message: fmt.Sprintf("%s is %s: log lines are sent to public addresses only.%s", host, what, none), Next: next}
}

func (g *Guard) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, done := context.WithTimeout(ctx, resolveTimeout)
	defer done()
	if g.Resolve != nil {
		return g.Resolve(ctx, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// reason is an error of the network in few words, without addresses of ours.
func reason(err error) string {
	var refused *refusedError
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return refused.Error()
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no such name"
	case errors.As(err, &dns):
		return "the name could not be looked up"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "no answer in time"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
