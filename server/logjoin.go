package server

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// LogPeers reads logs that other servers keep. Addr is the server's door.
type LogPeers interface {
	// ReadLog is Logs.Read there.
	ReadLog(ctx context.Context, addr string, q LogQuery, line func(LogLine) error) error
	// LogCursor is Logs.Cursor there.
	LogCursor(ctx context.Context, addr, instance string) (time.Time, error)
}

// The bounds of reading at several servers.
const (
	mergeLines  = 1500             // the newest of all that are kept together; of more, so many of each server
	mergeWait   = 5 * time.Second  // for the next line of what a server has
	cursorWait  = time.Second      // for where its log of an instance ends
	cursorRest  = 10 * time.Second // until a server that did not say so is asked again: many instances are asked for in a row
	peersLook   = time.Second      // between two looks at which servers there are
	peerRetry   = 2 * time.Second  // until one that broke off is read again
	awayMention = 24 * time.Hour   // for so long a server that is silent is spoken of
	tailOverlap = 10 * time.Second // how far the clock of a server that comes later may be behind
)

// JoinedLogs are the logs of all servers as one. Lines stay at the server that
// took them in; they are read at each and merged by their time.
type JoinedLogs struct {
	Logs
	list  func() []ServerEntry
	self  string
	peers LogPeers
	log   *slog.Logger

	mu   sync.Mutex
	deaf map[string]time.Time // servers that did not say where a log ends, and until when none is asked that
}

// JoinLogs makes it for the server that keeps local. List is the servers.
func JoinLogs(local Logs, list *Servers, peers LogPeers, log *slog.Logger) *JoinedLogs {
	return &JoinedLogs{Logs: local, list: list.List, self: list.Self(), peers: peers, log: log, deaf: map[string]time.Time{}}
}

// others are the other servers that may keep lines: those that answer, and the
// names of those that do not.
func (j *JoinedLogs) others() (alive []ServerEntry, away []string) {
	for _, e := range j.list() {
		switch {
		case e.ID == j.self || e.Addr == "":
		case e.Alive():
			alive = append(alive, e)
		case e.Silent < awayMention:
			away = append(away, e.Name)
		}
	}
	return alive, away
}

// Cursor is where the log of an instance ends, at whichever server that is. Of a
// server that is away it is not known: lines may be taken in again, which a
// reader sees once.
func (j *JoinedLogs) Cursor(instance string) time.Time {
	newest := j.Logs.Cursor(instance)
	alive, _ := j.others()
	ctx, cancel := context.WithTimeout(context.Background(), cursorWait)
	defer cancel()
	found := make(chan time.Time, len(alive))
	alive = slices.DeleteFunc(alive, func(e ServerEntry) bool { return j.isDeaf(e.ID) })
	for _, e := range alive {
		go func() {
			at, err := j.peers.LogCursor(ctx, e.Addr, instance)
			if err != nil {
				j.setDeaf(e.ID)
				j.log.Warn("ask another server where a log ends", "server", e.Name, "instance", instance, "err", err)
			}
			found <- at
		}()
	}
	for range alive { // each ends with ctx
		if at := <-found; at.After(newest) {
			newest = at
		}
	}
	return newest
}

func (j *JoinedLogs) isDeaf(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return time.Now().Before(j.deaf[id])
}

func (j *JoinedLogs) setDeaf(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	maps.DeleteFunc(j.deaf, func(_ string, until time.Time) bool { return time.Now().After(until) })
	j.deaf[id] = time.Now().Add(cursorRest)
}

// Read is Logs.Read over all servers. What one that does not answer keeps is
// missing, and a line says so. A line that two servers have is read once.
func (j *JoinedLogs) Read(ctx context.Context, q LogQuery, line func(LogLine) error) error {
	alive, away := j.others()
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	r := &joinedRead{j: j, ctx: ctx, work: &work, q: q, line: line, began: time.Now(), known: map[string]*logSource{}}
	r.open(ServerEntry{ID: j.self}, q)
	for _, e := range alive {
		r.open(e, q)
	}
	away = append(away, r.waitJoined()...)
	if q.Joined != nil {
		q.Joined()
	}
	gone, err := r.merge()
	if err == nil {
		err = r.mention(append(away, gone...))
	}
	if err != nil || !q.Tail {
		return err
	}
	return r.follow()
}

// mention says which servers' lines are missing.
func (r *joinedRead) mention(names []string) error {
	if len(names) == 0 {
		return nil
	}
	return r.line(LogLine{AppID: r.q.AppID, At: time.Now().UTC(), Source: "paas", Dyno: "logplex",
		Text: fmt.Sprintf("Lines that the server %s has taken in may be missing here: it does not answer.", strings.Join(names, ", "))})
}

// logSource is the log as one server has it.
type logSource struct {
	ServerEntry
	joined chan struct{}
	ch     chan logEvent
	head   *LogLine
	caught bool // what there was has been read
	over   bool // it has ended
	told   bool // that its lines are missing, and nothing was heard of it since
	err    error
	last   time.Time // newest line that was read
	again  time.Time // when to read it again
}

// logEvent is a line, or the end of those that there were.
type logEvent struct {
	line   LogLine
	caught bool
}

// open begins to read at a server.
func (r *joinedRead) open(e ServerEntry, q LogQuery) {
	s := &logSource{ServerEntry: e, joined: make(chan struct{}), ch: make(chan logEvent, 16)}
	r.known[e.ID] = s
	if !r.following {
		r.sources = append(r.sources, s)
	}
	send := func(ev logEvent) error {
		select {
		case s.ch <- ev:
			return nil
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
	joined := sync.OnceFunc(func() { close(s.joined) })
	q.Joined = joined
	q.Caught = func() { _ = send(logEvent{caught: true}) } // it ends with ctx
	take := func(l LogLine) error { return send(logEvent{line: l}) }
	r.work.Go(func() {
		defer close(s.ch)
		defer joined()
		if e.ID == r.j.self {
			s.err = r.j.Logs.Read(r.ctx, q, take)
			return
		}
		s.err = r.j.peers.ReadLog(r.ctx, e.Addr, q, take)
	})
}

// waitJoined waits until nothing new is missed at any server, and gives the
// names of those that do not answer in time.
func (r *joinedRead) waitJoined() (away []string) {
	if !r.q.Tail {
		return nil
	}
	late := time.NewTimer(mergeWait)
	defer late.Stop()
	for _, s := range r.sources {
		select {
		case <-s.joined:
		case <-late.C:
			late.Reset(0)
			away = append(away, s.Name)
			s.caught, s.told = true, true
		case <-r.ctx.Done():
			return nil
		}
	}
	return away
}
