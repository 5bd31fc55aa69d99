package server

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// serverBeat is how often a server says that it is there.
	serverBeat = time.Second
	// serverSilence is after how long without that a server counts as gone.
	serverSilence = 5 * time.Second
)

// ServerEntry is one of the servers on a database.
type ServerEntry struct {
	ID, Name string
	Seat     string        // the machine, since its start, and the data directory it runs on
	Addr     string        // HOST:PORT of its door for agents, routers and servers; empty: none
	Started  time.Time     // by the database's clock
	Silent   time.Duration // since it was last heard of, by the database's clock
	Leads    bool
}

// Alive says whether the server was heard of just now.
func (e ServerEntry) Alive() bool { return e.Silent < serverSilence }

// ServerStore keeps which servers there are.
type ServerStore interface {
	// BeatServer notes that a server is there; ErrConflict when another one, with
	// the same id and another seat, was heard of in the last five seconds.
	BeatServer(ctx context.Context, e ServerEntry) error
	// Servers lists them by name, those that died in the last day too.
	Servers(ctx context.Context) ([]ServerEntry, error)
	// LeaveServer forgets a server that stops.
	LeaveServer(ctx context.Context, id string) error
}

// Servers tells the other servers of this one, and knows them.
type Servers struct {
	self  ServerEntry
	store ServerStore
	log   *slog.Logger

	looking sync.Mutex // by who looks because it waits for a leader

	mu     sync.Mutex
	list   []ServerEntry
	looked time.Time
}

// NewServers makes it; Run keeps the list.
func NewServers(self ServerEntry, store ServerStore, log *slog.Logger) *Servers {
	return &Servers{self: self, store: store, log: log}
}

// Self is the id of this server.
func (s *Servers) Self() string { return s.self.ID }

// Run says every second that this server is there, until ctx ends; then that
// it is not any more.
func (s *Servers) Run(ctx context.Context) error {
	tick := time.NewTicker(serverBeat)
	defer tick.Stop()
	for told := false; ; {
		err := s.Beat(ctx)
		if err != nil && !told && ctx.Err() == nil {
			s.log.Warn("tell the other servers of this one; trying on", "err", err)
		}
		told = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), serverBeat)
			defer cancel()
			if err := s.store.LeaveServer(last, s.self.ID); err != nil {
				s.log.Warn("tell the other servers that this one stops", "err", err)
			}
			return nil
		}
	}
}

// Beat says once that this server is there and reads which others are.
func (s *Servers) Beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*serverBeat)
	defer cancel()
	if err := s.store.BeatServer(ctx, s.self); err != nil {
		return err
	}
	return s.Look(ctx)
}

// Look reads which servers there are.
func (s *Servers) Look(ctx context.Context) error {
	list, err := s.store.Servers(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list, s.looked = list, time.Now()
	return nil
}

// LookAgain is Look for many who wait for the same: one of them asks the
// database, at most each pause, and the others go on with what it found.
func (s *Servers) LookAgain(ctx context.Context, pause time.Duration) error {
	if !s.looking.TryLock() {
		return nil
	}
	defer s.looking.Unlock()
	s.mu.Lock()
	fresh := time.Since(s.looked) < pause
	s.mu.Unlock()
	if fresh {
		return nil
	}
	return s.Look(ctx)
}

// List is the servers as they were known at the last beat.
func (s *Servers) List() []ServerEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

// Leader is who leads, as known at the last beat; false when nobody does.
func (s *Servers) Leader() (ServerEntry, bool) {
	for _, e := range s.List() {
		if e.Leads {
			return e, true
		}
	}
	return ServerEntry{}, false
}
