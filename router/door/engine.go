package door

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"

	"paas/router"
)

// door is one app's: its name server, and a router once the app has links. It
// is the router's Source.
type door struct {
	all     *Doors
	network Network
	names   *names
	ctx     context.Context // of this door; ends with the network or with Run
	cancel  context.CancelFunc
	done    chan struct{}  // closed when all of it has ended
	parts   sync.WaitGroup // goroutines

	routed bool // of Doors.Run: the router runs
	fed    router.Table
	tables chan router.Table

	mu    sync.Mutex
	acked router.Ack
	heard bool // the router has acknowledged something
	over  bool // it is waited for the parts, and none is begun any more
}

// part runs f beside the others. When the door has ended meanwhile f is run at
// once: its context is over, and it closes what it was given.
func (o *door) part(f func()) {
	o.mu.Lock()
	over := o.over
	if !over {
		o.parts.Go(f)
	}
	o.mu.Unlock()
	if over {
		f()
	}
}

// newDoor opens the name server of a network.
func (d *Doors) newDoor(ctx context.Context, n Network) (*door, error) {
	one := &door{all: d, network: n, done: make(chan struct{}), tables: make(chan router.Table, 1)}
	one.ctx, one.cancel = context.WithCancel(ctx)
	at := net.JoinHostPort(n.address().String(), strconv.Itoa(int(d.cfg.NamePort)))
	conn, err := early().ListenPacket(ctx, "udp4", at)
	if err != nil {
		one.cancel()
		return nil, fmt.Errorf("listen for names on %s: %w", at, err)
	}
	one.names = newNames(conn, n)
	one.parts.Go(func() { one.names.run(one.ctx) })
	d.doors.Go(func() {
		<-one.ctx.Done()
		one.mu.Lock()
		one.over = true
		one.mu.Unlock()
		one.parts.Wait()
		close(one.done)
		d.wake()
	})
	return one, nil
}

func (d *Doors) wake() {
	select {
	case d.poke <- struct{}{}:
	default:
	}
}

// early listens on an address that the machine does not have yet: the network
// comes with its first instance.
func early() *net.ListenConfig {
	return &net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_FREEBIND, 1)
		})
		if err != nil {
			return err
		}
		return failed
	}}
}

func (o *door) ended() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// serve makes the door lead where t says; the router begins with the first link.
func (o *door) serve(ctx context.Context, t router.Table) error {
	if t.Version == o.fed.Version && (o.routed || len(t.Routes) == 0) {
		return nil
	}
	if !o.routed && len(t.Routes) > 0 {
		if err := o.begin(ctx); err != nil {
			return err
		}
	}
	o.fed = t
	o.names.set(namesOf(t.Routes))
	if !o.routed {
		return nil
	}
	select {
	case <-o.tables:
	default:
	}
	o.tables <- t
	return nil
}

const notLinked = "This app is not linked with an app of that name. Link it: paas links:add NAME"

func (o *door) begin(ctx context.Context) error {
	at := net.JoinHostPort(o.network.address().String(), strconv.Itoa(int(o.all.cfg.HTTPPort)))
	l, err := early().Listen(ctx, "tcp4", at)
	if err != nil {
		return fmt.Errorf("listen for requests on %s: %w", at, err)
	}
	log := o.all.log.With("app", o.network.AppID)
	r, err := router.New(router.Config{ID: o.network.AppID, Listener: own{l, o.network.Subnet}, Unknown: notLinked, Limits: o.all.cfg.Limits}, o, log)
	if err != nil {
		return err
	}
	o.routed = true
	o.part(func() {
		defer o.cancel() // without its router the door is opened anew
		if err := r.Run(o.ctx); err != nil {
			log.Error("the door to linked apps broke; it is opened again", "err", err)
		}
	})
	return nil
}

// Watch is router.Source.
func (o *door) Watch(ctx context.Context, _ string) <-chan router.Table {
	out := make(chan router.Table)
	o.part(func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case t := <-o.tables:
				select {
				case out <- t:
				case <-ctx.Done():
					return
				}
			}
		}
	})
	return out
}

// Ack is router.Source.
func (o *door) Ack(a router.Ack) {
	o.mu.Lock()
	o.acked, o.heard = a, true
	o.mu.Unlock()
	o.all.wake()
}

// state is what the door serves, and what is under way to instances that left
// its table. Without a router nothing can be.
func (o *door) state() (version int64, busy map[string]int) {
	if !o.routed {
		return o.all.links.Version, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.acked.Version, o.acked.Busy
}

// own is a door's listener. It takes connections from its own network only: the
// firewall lets no others come, and where there is none this still holds.
type own struct {
	net.Listener
	subnet netip.Prefix
}

func (l own) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || within(l.subnet, c.RemoteAddr()) {
			return c, err
		}
		_ = c.Close()
	}
}

func within(subnet netip.Prefix, a net.Addr) bool {
	at, err := netip.ParseAddrPort(a.String())
	return err == nil && subnet.Contains(at.Addr().Unmap())
}
