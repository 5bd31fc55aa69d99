package gitd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"
)

// Server takes git pushes and fetches over SSH.
type Server struct {
	cfg    Config
	repos  *Repos
	pusher Pusher
	log    *slog.Logger
	key    gossh.Signer
	ln     net.Listener
	ssh    *ssh.Server
	gate   *gate
	packs  chan struct{} // one token per pack on its way
	people *quota        // commands, by account

	base     context.Context // of all sessions; ends first
	stop     context.CancelFunc
	sessions group
}

// New opens the listener; connections wait until Run.
func New(cfg Config, repos *Repos, pusher Pusher, log *slog.Logger) (*Server, error) {
	cfg = cfg.withDefaults()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	key, err := hostKey(cfg.HostKey)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for SSH: %w", err)
	}
	s := &Server{cfg: cfg, repos: repos, pusher: pusher, log: log, key: key, ln: ln,
		gate: newGate(cfg.MaxPending, cfg.MaxConns), packs: make(chan struct{}, cfg.MaxPacks), people: newQuota(cfg.MaxCommands)}
	s.base, s.stop = context.WithCancel(context.Background())
	s.ssh = &ssh.Server{
		Version:              "paas",
		HostSigners:          []ssh.Signer{key},
		PublicKeyHandler:     s.offered,
		ServerConfigCallback: s.sshConfig,
		ConnCallback:         s.admit,
		ConnectionFailedCallback: func(c net.Conn, err error) {
			s.log.Debug("handshake failed", "from", c.RemoteAddr().String(), "err", err)
		},
		// Sessions are served by our own handler; every other kind of channel
		// and every global request (forwarding) is refused.
		ChannelHandlers:   map[string]ssh.ChannelHandler{"session": s.session},
		RequestHandlers:   map[string]ssh.RequestHandler{},
		SubsystemHandlers: map[string]ssh.SubsystemHandler{},
	}
	return s, nil
}

// Addr is the address of the listener.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// HostKey is the public host key in authorized_keys form, as known_hosts has it.
func (s *Server) HostKey() string {
	return strings.TrimSpace(string(gossh.MarshalAuthorizedKey(s.key.PublicKey())))
}

// HostKeyFingerprint is the host key as a client asks whether to trust it ("SHA256:…").
func (s *Server) HostKeyFingerprint() string { return gossh.FingerprintSHA256(s.key.PublicKey()) }

// Run serves until ctx ends: then sessions are told and given StopTimeout to
// end, and what is left is cut off. It gives nil after a stop that was asked for.
func (s *Server) Run(ctx context.Context) error {
	var conns sync.WaitGroup
	release := context.AfterFunc(ctx, func() { s.ln.Close() }) //nolint:errcheck // being thrown away
	err := s.accept(ctx, &conns)
	release()
	s.ln.Close() //nolint:errcheck // may be closed already
	s.stop()
	s.sessions.wait(s.cfg.StopTimeout)
	s.gate.closeAll()
	conns.Wait()
	s.sessions.wait(0)
	return err
}

func (s *Server) accept(ctx context.Context, conns *sync.WaitGroup) error {
	for {
		c, err := s.ln.Accept()
		if err == nil {
			conns.Go(func() { s.handle(c) })
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept SSH connections: %w", err)
		}
		s.log.Warn("accept SSH connections", "err", err) // out of file descriptors, most likely
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Server) handle(c net.Conn) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in an SSH connection", "err", p, "stack", string(debug.Stack()))
		}
	}()
	s.ssh.HandleConn(c)
}

// admit guards a new connection; nil refuses it.
func (s *Server) admit(ctx ssh.Context, c net.Conn) net.Conn {
	guard := s.gate.admit(c, s.cfg.HandshakeTimeout, s.cfg.IdleTimeout)
	if guard == nil {
		s.log.Warn("too many SSH connections", "from", c.RemoteAddr().String())
		return nil
	}
	ctx.SetValue(guardKey{}, guard)
	return &leavingConn{guardConn: guard}
}

// leavingConn takes its guard out of the gate when it closes.
type leavingConn struct {
	*guardConn
	once sync.Once
}

func (c *leavingConn) Close() error {
	c.once.Do(func() { c.gate.leave(c.guardConn) })
	return c.guardConn.Close()
}

// stopping says that Run is about to return.
func (s *Server) stopping() bool { return s.base.Err() != nil }

// group counts goroutines that others start; unlike a WaitGroup it may grow
// while someone waits.
type group struct {
	mu    sync.Mutex
	count int
	empty chan struct{} // closed when count falls to 0
}

func (g *group) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count++; g.count == 1 {
		g.empty = make(chan struct{})
	}
}

func (g *group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count--; g.count == 0 {
		close(g.empty)
	}
}

// wait waits until nothing runs, at most for limit unless that is 0.
func (g *group) wait(limit time.Duration) {
	g.mu.Lock()
	empty, count := g.empty, g.count
	g.mu.Unlock()
	if count == 0 {
		return
	}
	var late <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-empty:
	case <-late:
	}
}
