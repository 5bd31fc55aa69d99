package agent

import (
	"context"
	"sync"
)

const (
	shipBatch = 1024      // lines in one call of Control.Log
	laneLines = 1024      // lines of one instance that wait for the control plane
	laneBytes = 256 << 10 // bytes of them; one line more is let in
)

// shipper brings lines of all instances to the control plane, in batches that
// grow by themselves while a call takes its time. Each instance has a lane of
// its own and each batch takes from all lanes in turn: one that prints much
// fills its own lane and no other's. When a lane is full its follower waits:
// what it has not read is safe in the engine's files.
type shipper struct {
	control Control
	wake    chan struct{}

	mu   sync.Mutex
	busy []*lane // those with lines, in turn
}

// lane is the queue of one instance. It has one sender.
type lane struct {
	s    *shipper
	room chan struct{} // told when lines were taken

	// Below: guarded by shipper.mu.
	lines     []Line
	bytes     int
	sent      uint64 // lines so far
	delivered uint64 // of them
	waiting   []waiter
}

// waiter wants to know when so many lines were delivered.
type waiter struct {
	upTo uint64
	told chan struct{}
}

func newShipper(control Control) *shipper {
	return &shipper{control: control, wake: make(chan struct{}, 1)}
}

func (s *shipper) lane() *lane { return &lane{s: s, room: make(chan struct{}, 1)} }

// send queues a line; false when ctx ended before there was room.
func (l *lane) send(ctx context.Context, line Line) bool {
	for !l.add(line) {
		select {
		case <-l.room:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (l *lane) add(line Line) bool {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if len(l.lines) >= laneLines || l.bytes >= laneBytes {
		return false
	}
	if len(l.lines) == 0 {
		l.s.busy = append(l.s.busy, l)
		ring(l.s.wake)
	}
	l.lines = append(l.lines, line)
	l.bytes += len(line.Text)
	l.sent++
	return true
}

// ring leaves a notice in a channel that holds one.
func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// flush waits until all lines sent before were delivered.
func (l *lane) flush(ctx context.Context) {
	l.s.mu.Lock()
	w := waiter{upTo: l.sent, told: make(chan struct{})}
	if l.delivered >= w.upTo {
		close(w.told)
	} else {
		l.waiting = append(l.waiting, w)
	}
	l.s.mu.Unlock()
	select {
	case <-w.told:
	case <-ctx.Done():
	}
}

func (s *shipper) run(ctx context.Context) {
	for ctx.Err() == nil {
		lines, from := s.batch()
		if len(lines) > 0 {
			s.control.Log(lines)
			s.told(from)
			continue
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		}
	}
}

// share is how many lines of a batch are of one lane.
type share struct {
	lane  *lane
	lines int
}

// batch takes a fair share of each busy lane; those that have more go to the
// end of the row.
func (s *shipper) batch() ([]Line, []share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.busy) == 0 {
		return nil, nil
	}
	each := max(1, shipBatch/len(s.busy))
	turn := s.busy[:min(len(s.busy), shipBatch)]
	rest := append([]*lane(nil), s.busy[len(turn):]...)
	lines := make([]Line, 0, each)
	from := make([]share, 0, len(turn))
	for _, l := range turn {
		n := min(each, len(l.lines))
		lines = append(lines, l.lines[:n]...)
		from = append(from, share{l, n})
		if l.take(n); len(l.lines) > 0 {
			rest = append(rest, l)
		}
	}
	s.busy = rest
	return lines, from
}

// take removes the first n lines; shipper.mu is held.
func (l *lane) take(n int) {
	for _, line := range l.lines[:n] {
		l.bytes -= len(line.Text)
	}
	kept := copy(l.lines, l.lines[n:])
	clear(l.lines[kept:]) // or their texts would be held
	l.lines = l.lines[:kept]
	if kept == 0 && cap(l.lines) > laneLines/8 {
		l.lines = nil // of many quiet instances none keeps a large buffer
	}
	ring(l.room)
}

// told notes what was delivered.
func (s *shipper) told(from []share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range from {
		l := f.lane
		l.delivered += uint64(f.lines)
		rest := l.waiting[:0]
		for _, w := range l.waiting {
			if l.delivered < w.upTo {
				rest = append(rest, w)
				continue
			}
			close(w.told)
		}
		l.waiting = rest
	}
}
