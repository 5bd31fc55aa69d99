package router

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Config says where a router listens and what it allows. Only HTTPAddr or
// Listener is required.
type Config struct {
	ID string // names this router in Watch and Ack; "router" when empty

	HTTPAddr string // "host:port"; ":0" picks a free port, see Addr
	// Listener is served instead of HTTPAddr, and closed by the router.
	Listener  net.Listener
	HTTPSAddr string // optional; needs CertFile and KeyFile
	CertFile  string // PEM chain; read again when the file changes
	KeyFile   string // PEM key of CertFile

	// SnapshotFile keeps the last table as JSON, so that a restarted router
	// serves before any Source speaks. Empty keeps nothing.
	SnapshotFile string

	// Domain is the base domain of the apps ("apps.example.com"). It appears
	// in texts only; routing goes by Table alone.
	Domain string
	// Unknown is said of a host name that no route has; the standard text when
	// empty.
	Unknown string

	// PlatformHost is the one host name that goes to Fallback instead of an
	// app. Without a Fallback it is an unknown host like any other.
	PlatformHost string
	Fallback     http.Handler

	// Log takes one line per request to a known app, in the form of Heroku's
	// router. It is called on the request's goroutine and must not block.
	Log func(appID string, at time.Time, line string)
	// Observe is told of each such request as well, for the app's figures. It
	// is called on the request's goroutine and must not block.
	Observe func(Observation)

	Limits Limits
}

// Limits are the bounds of a router. A zero field takes its default, which is
// Heroku's figure where Heroku publishes one.
type Limits struct {
	Connect      time.Duration // one attempt to connect to an instance: 5 s, then H19
	ConnectTotal time.Duration // all attempts of one request together: 15 s
	MaxAttempts  int           // instances tried for one request: 10
	Quarantine   time.Duration // how long an instance that refused a connection is avoided: 5 s

	FirstByte time.Duration // from the request's last byte to the answer's head: 30 s, then H12
	Idle      time.Duration // without a byte in either direction: 55 s, then H15 or H28

	ReadHeader time.Duration // to read a request's head, also for a TLS handshake: 10 s
	KeepAlive  time.Duration // idle client connection: 75 s
	// AppKeepAlive is how long a connection to an instance is kept for reuse.
	// It is below the 5 s after which Node.js closes its side: 4 s.
	AppKeepAlive time.Duration

	// DrainTimeout is how long an upgraded connection (WebSocket) may go on
	// after its instance left the table: 30 s.
	DrainTimeout time.Duration
	// StopTimeout is how long Run lets requests finish after its ctx ended: 10 s.
	StopTimeout time.Duration

	MaxHeaderBytes    int // request head: 64 KiB
	MaxAppHeaderBytes int // answer head: 256 KiB
	MaxStreams        int // concurrent HTTP/2 streams of one client: 100
	MaxInFlight       int // requests on one instance: 200, then H11
	MaxTunnels        int // upgraded connections on one instance: 5000, then H11
	MaxConns          int // client connections of each listener: 16384, then they wait
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (l *Limits) setDefaults() {
	orDefault(&l.Connect, 5*time.Second)
	orDefault(&l.ConnectTotal, 15*time.Second)
	orDefault(&l.MaxAttempts, 10)
	orDefault(&l.Quarantine, 5*time.Second)
	orDefault(&l.FirstByte, 30*time.Second)
	orDefault(&l.Idle, 55*time.Second)
	orDefault(&l.ReadHeader, 10*time.Second)
	orDefault(&l.KeepAlive, 75*time.Second)
	orDefault(&l.AppKeepAlive, 4*time.Second)
	orDefault(&l.DrainTimeout, 30*time.Second)
	orDefault(&l.StopTimeout, 10*time.Second)
	orDefault(&l.MaxHeaderBytes, 64<<10)
	orDefault(&l.MaxAppHeaderBytes, 256<<10)
	orDefault(&l.MaxStreams, 100)
	orDefault(&l.MaxInFlight, 200)
	orDefault(&l.MaxTunnels, 5000)
	orDefault(&l.MaxConns, 16384)
}

func (l Limits) validate() error {
	for name, d := range map[string]time.Duration{
		"Connect": l.Connect, "ConnectTotal": l.ConnectTotal, "Quarantine": l.Quarantine, "FirstByte": l.FirstByte,
		"Idle": l.Idle, "ReadHeader": l.ReadHeader, "KeepAlive": l.KeepAlive, "AppKeepAlive": l.AppKeepAlive,
		"DrainTimeout": l.DrainTimeout, "StopTimeout": l.StopTimeout,
	} {
		if d < 0 {
			return fmt.Errorf("limit %s is negative: %s", name, d)
		}
	}
	for name, n := range map[string]int{
		"MaxAttempts": l.MaxAttempts, "MaxHeaderBytes": l.MaxHeaderBytes, "MaxAppHeaderBytes": l.MaxAppHeaderBytes,
		"MaxStreams": l.MaxStreams, "MaxInFlight": l.MaxInFlight, "MaxTunnels": l.MaxTunnels, "MaxConns": l.MaxConns,
	} {
		if n < 0 {
			return fmt.Errorf("limit %s is negative: %d", name, n)
		}
	}
	return nil
}

// prepare fills the defaults and refuses what cannot work.
func (c *Config) prepare() error {
	orDefault(&c.ID, "router")
	c.Limits.setDefaults()
	if err := c.Limits.validate(); err != nil {
		return err
	}
	if c.HTTPAddr == "" && c.Listener == nil {
		return errors.New("HTTPAddr is empty")
	}
	if c.HTTPSAddr != "" && (c.CertFile == "" || c.KeyFile == "") {
		return errors.New("HTTPSAddr needs CertFile and KeyFile")
	}
	if c.PlatformHost != "" {
		host, ok := normalHost(c.PlatformHost)
		if !ok {
			return fmt.Errorf("PlatformHost %q is not a host name", c.PlatformHost)
		}
		c.PlatformHost = host
	}
	if c.Log == nil {
		c.Log = func(string, time.Time, string) {}
	}
	if c.Observe == nil {
		c.Observe = func(Observation) {}
	}
	return nil
}
