package drain

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"paas/server"
)

func TestGuardRefuses(t *testing.T) {
	own := netip.MustParseAddr("8.8.4.4")
	g := &Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}, Own: func() []netip.Addr { return []netip.Addr{own} }}
	for addr, what := range map[string]string{
		"127.0.0.1": "itself", "127.9.9.9": "itself", "::1": "itself", "::ffff:127.0.0.1": "itself", "0.0.0.0": "not an address", "::": "not a public",
		"10.0.0.1": "private", "172.16.0.1": "private", "172.31.255.255": "private", "192.168.1.1": "private", "100.64.0.1": "carrier",
		"169.254.169.254": "metadata", "::ffff:169.254.169.254": "metadata", "::ffff:a00:1": "private", "fd00:ec2::254": "private", "fe80::1%eth0": "link-local",
		"224.0.0.1": "multicast", "255.255.255.255": "multicast", "ff02::1": "multicast", "64:ff9b::7f00:1": "not a public", "2002:7f00:1::": "6to4",
		"2001:0:1::": "reserved", "2001:db8::1": "reserved", "198.18.0.1": "reserved", "8.8.4.4": "itself", "::ffff:8.8.4.4": "itself",
		"8.8.8.8": "", "2606:4700::1111": "", "172.32.0.1": "", "10.9.1.2": "", "::ffff:10.9.1.2": "", "100.128.0.1": "",
	} {
		got := g.refusal(netip.MustParseAddr(addr))
		if (what == "") != (got == "") || !strings.Contains(got, what) {
			t.Errorf("%s: %q, want %q", addr, got, what)
		}
	}
}

func TestGuardChecksNames(t *testing.T) {
	names := map[string][]string{
		"inside.example": {"10.0.0.1", "fd00::1"}, "mixed.example": {"10.0.0.1", "8.8.8.8"}, "nothing.example": {},
	}
	g := &Guard{Resolve: func(_ context.Context, host string) (list []netip.Addr, err error) {
		addrs, ok := names[host]
		if !ok {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		for _, a := range addrs {
			list = append(list, netip.MustParseAddr(a))
		}
		return list, nil
	}}
	for host, want := range map[string]string{
		"inside.example": "private address", "nothing.example": "without an address", "unknown.example": "no such name",
		"10.0.0.1": "private address", "::ffff:10.0.0.1": "private address", "169.254.169.254": "metadata", "mixed.example": "", "8.8.8.8": "",
	} {
		err := g.Check(t.Context(), host, 514)
		if want == "" && err != nil || want != "" && (!server.IsID(err, server.ErrInvalid) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", host, err, want)
		}
	}
}

// TestGuardHoldsAtConnect: whatever a name said when it was checked, the
// address that is connected to is looked at.
func TestGuardHoldsAtConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
		d := net.Dialer{Control: (&Guard{}).Control}
		conn, err := d.DialContext(t.Context(), "tcp", host+":"+port)
		var refused *refusedError
		if err == nil {
			conn.Close()
		}
		if !errors.As(err, &refused) && !strings.Contains(reason(err), "no log lines are sent") {
			t.Errorf("%s: %v", host, err)
		}
	}
}
