package gitd

import (
	"runtime"
	"time"
)

// Config of the SSH server. The zero value of a field means its default.
type Config struct {
	Addr    string // address to listen on, "host:port"; ":0" takes a free port
	HostKey []byte // ed25519 private key, as NewHostKey makes it

	HandshakeTimeout time.Duration // from the connection until its key is proven; 10 s
	IdleTimeout      time.Duration // a connection on which nothing runs; 1 min
	AuthTries        int           // keys a client may offer; 3
	MaxPending       int           // connections of one address that proved no key yet; 10
	MaxConns         int           // connections at once; 512
	MaxSessions      int           // commands at once on one connection; 8
	MaxCommands      int           // commands of one account at once, git's not counted; 20

	MaxPack      int64         // bytes of one push; 1 GiB
	MaxPacks     int           // packs taken or given at once, others wait; twice the CPUs, at least 4
	PackTimeout  time.Duration // from the list of refs to the end of the pack; 1 h
	AskTimeout   time.Duration // until the list of refs; the pusher's own hooks run then; 30 min
	StallTimeout time.Duration // without a byte moving; 5 min
	DrainTimeout time.Duration // for a refused pusher to stop talking; 30 s
	KeepAlive    time.Duration // silence after which an empty packet is sent; 10 s
	Ping         time.Duration // between two questions whether the client of a command lives; 15 s
	PingTimeout  time.Duration // for its answer, then it is cut off; 30 s
	StopTimeout  time.Duration // for sessions to say goodbye when Run ends; 5 s
}

func (c Config) withDefaults() Config {
	durations := []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.HandshakeTimeout, 10 * time.Second}, {&c.IdleTimeout, time.Minute},
		{&c.PackTimeout, time.Hour}, {&c.AskTimeout, 30 * time.Minute},
		{&c.StallTimeout, 5 * time.Minute}, {&c.DrainTimeout, 30 * time.Second},
		{&c.KeepAlive, 10 * time.Second}, {&c.StopTimeout, 5 * time.Second},
		{&c.Ping, 15 * time.Second}, {&c.PingTimeout, 30 * time.Second},
	}
	for _, d := range durations {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	numbers := []struct {
		field *int
		value int
	}{
		{&c.AuthTries, 3}, {&c.MaxPending, 10}, {&c.MaxConns, 512}, {&c.MaxSessions, 8}, {&c.MaxCommands, 20},
		{&c.MaxPacks, max(4, 2*runtime.NumCPU())},
	}
	for _, n := range numbers {
		if *n.field == 0 {
			*n.field = n.value
		}
	}
	if c.MaxPack == 0 {
		c.MaxPack = 1 << 30
	}
	return c
}
