package agenttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// reach says of each address whether it takes a connection: "open", "refused"
// by something on the way or at its end, or "silent".
func (p Process) reach(ctx context.Context) int {
	for _, addr := range p.Args[1:] {
		c, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", addr)
		var slow net.Error
		switch {
		case err == nil:
			c.Close()
			fmt.Fprintln(p.Out, addr, "open")
		case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ECONNREFUSED):
			fmt.Fprintln(p.Out, addr, "refused")
		case errors.As(err, &slow) && slow.Timeout():
			fmt.Fprintln(p.Out, addr, "silent")
		default:
			fmt.Fprintln(p.Out, addr, err)
		}
	}
	return 0
}

// lookup asks the resolver that the process was given.
func (p Process) lookup(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupHost(ctx, p.Args[1])
	fmt.Fprintln(p.Out, found, err)
	if err != nil {
		return 1
	}
	return 0
}

// query asks a name server for one name after the other, all from one port.
func (p Process) query(ctx context.Context) int {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp4", p.Args[1])
	if err != nil {
		fmt.Fprintln(p.Err, err)
		return 1
	}
	defer conn.Close()
	for i, name := range p.Args[2:] {
		found, err := exchange(conn, uint16(i), name)
		fmt.Fprintln(p.Out, name, found, err)
	}
	return 0
}

func exchange(conn net.Conn, id uint16, name string) (found []netip.Addr, err error) {
	at, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: at, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	b, err := m.Pack()
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(b); err != nil {
		return nil, err
	}
	b = make([]byte, 1500)
	n, err := conn.Read(b)
	if err != nil {
		return nil, err
	}
	if err := m.Unpack(b[:n]); err != nil {
		return nil, err
	}
	for _, a := range m.Answers {
		if body, ok := a.Body.(*dnsmessage.AResource); ok {
			found = append(found, netip.AddrFrom4(body.A))
		}
	}
	return found, nil
}
