package door

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// Suffix ends the names of linked apps. No public name ends so: ICANN has
	// set it aside for private use.
	Suffix = ".internal"

	nameLife   = 5    // seconds that an answer may be kept
	maxQuery   = 1232 // bytes
	maxAsked   = 32   // questions of one network that the machine's resolver works on
	askedLimit = 3 * time.Second

	// A network's instances get maxAnswered answers in each answerTime; what they
	// ask beyond waits in the socket, where the kernel drops what is too much.
	maxAnswered = 100
	answerTime  = 100 * time.Millisecond
)

// names answers the questions of one network's instances for names that end in
// ".internal"; the firewall brings no others here. What is one label below it
// is a linked app, or does not exist. Anything deeper belongs to others, as the
// names that clouds give their machines, and is asked of the machine's resolver.
type names struct {
	conn   net.PacketConn
	subnet netip.Prefix
	at     [4]byte // the door's address
	linked atomic.Pointer[[]string]
	asked  chan struct{} // one slot per question under way
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

func newNames(conn net.PacketConn, n Network) *names {
	s := &names{conn: conn, subnet: n.Subnet, at: n.address().As4(), asked: make(chan struct{}, maxAsked),
		lookup: (&net.Resolver{PreferGo: true}).LookupNetIP}
	s.set(nil)
	return s
}

// set replaces the names of linked apps: "shop.internal".
func (s *names) set(list []string) { s.linked.Store(&list) }

func (s *names) run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	buf := make([]byte, maxQuery)
	var p pace
	for ctx.Err() == nil {
		p.rest(ctx, p.next(time.Now()))
		n, from, err := s.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || !within(s.subnet, from) {
			continue
		}
		m, ok := question(buf[:n])
		if !ok {
			continue
		}
		name := strings.ToLower(strings.TrimSuffix(m.Questions[0].Name.String(), "."))
		if ours(name) {
			s.send(s.answer(m, name), from)
			continue
		}
		select {
		case s.asked <- struct{}{}:
			all.Go(func() {
				defer func() { <-s.asked }()
				s.send(s.ask(ctx, m, name), from)
			})
		default:
			m.RCode = dnsmessage.RCodeServerFailure
			s.send(m, from)
		}
	}
}

// pace keeps one app's questions from taking the time of the process, which has
// more to do than answer them.
type pace struct {
	began time.Time // of this answerTime
	taken int
}

// next counts one question and says how long to rest before it.
func (p *pace) next(now time.Time) time.Duration {
	left := answerTime - now.Sub(p.began)
	if left <= 0 {
		p.began, p.taken = now, 0
	}
	if p.taken++; p.taken <= maxAnswered {
		return 0
	}
	p.began, p.taken = now.Add(left), 1
	return left
}

func (*pace) rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// question reads a query and turns it into the beginning of its answer.
func question(b []byte) (m dnsmessage.Message, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.Response || h.OpCode != 0 {
		return m, false
	}
	q, err := p.Question()
	if err != nil {
		return m, false
	}
	m.Header = dnsmessage.Header{ID: h.ID, Response: true, RecursionDesired: h.RecursionDesired, RecursionAvailable: true}
	m.Questions = []dnsmessage.Question{q}
	return m, true
}

// ours says that a name is one label below the suffix.
func ours(name string) bool {
	label, found := strings.CutSuffix(name, Suffix)
	return found && !strings.Contains(label, ".") || "."+name == Suffix
}

// answer is about a name that only this door knows.
func (s *names) answer(m dnsmessage.Message, name string) dnsmessage.Message {
	m.Authoritative = true
	if !slices.Contains(*s.linked.Load(), name) {
		m.RCode = dnsmessage.RCodeNameError
		return m
	}
	return s.addresses(m, []netip.Addr{netip.AddrFrom4(s.at)})
}

// addresses gives those that were asked for. Of another kind the name has none,
// which is no error.
func (s *names) addresses(m dnsmessage.Message, list []netip.Addr) dnsmessage.Message {
	q := m.Questions[0]
	if q.Class != dnsmessage.ClassINET {
		return m
	}
	h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: nameLife}
	for _, a := range list {
		if q.Type == dnsmessage.TypeA && a.Is4() {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		}
	}
	return m
}

// ask passes a question on to the machine's resolver, which is asked for
// addresses only.
func (s *names) ask(ctx context.Context, m dnsmessage.Message, name string) dnsmessage.Message {
	ctx, cancel := context.WithTimeout(ctx, askedLimit)
	defer cancel()
	list, err := s.lookup(ctx, "ip4", name+".")
	var failed *net.DNSError
	switch {
	case err == nil && (m.Questions[0].Type == dnsmessage.TypeA || m.Questions[0].Type == dnsmessage.TypeAAAA):
		for i := range list {
			list[i] = list[i].Unmap()
		}
		return s.addresses(m, list)
	case errors.As(err, &failed) && failed.IsNotFound:
		m.RCode = dnsmessage.RCodeNameError
	default:
		m.RCode = dnsmessage.RCodeServerFailure
	}
	return m
}

func (s *names) send(m dnsmessage.Message, to net.Addr) {
	b, err := m.Pack()
	if err != nil {
		return
	}
	_, _ = s.conn.WriteTo(b, to) // who asked asks again
}
