package agent

import "context"

const (
	shipQueue = 4096 // lines of all instances that wait for the control plane
	shipBatch = 1024 // lines in one call of Control.Log
)

// shipper brings lines of all instances to the control plane, in batches that
// grow by themselves while a call takes its time. When the queue is full the
// followers wait: what they have not read is safe in the engine's files.
type shipper struct {
	control Control
	queue   chan parcel
}

// parcel is a line, or the wish to know when all before it were delivered.
type parcel struct {
	line      Line
	delivered chan struct{}
}

func newShipper(control Control) *shipper {
	return &shipper{control: control, queue: make(chan parcel, shipQueue)}
}

// send queues a line; false when ctx ended before there was room.
func (s *shipper) send(ctx context.Context, l Line) bool {
	select {
	case s.queue <- parcel{line: l}:
		return true
	case <-ctx.Done():
		return false
	}
}

// flush waits until all lines sent before were delivered.
func (s *shipper) flush(ctx context.Context) {
	p := parcel{delivered: make(chan struct{})}
	select {
	case s.queue <- p:
	case <-ctx.Done():
		return
	}
	select {
	case <-p.delivered:
	case <-ctx.Done():
	}
}

func (s *shipper) run(ctx context.Context) {
	for {
		select {
		case p := <-s.queue:
			s.deliver(p)
		case <-ctx.Done():
			return
		}
	}
}

// deliver takes what else is in the queue and hands it over.
func (s *shipper) deliver(p parcel) {
	lines := make([]Line, 0, min(len(s.queue)+1, shipBatch))
	var waiting []chan struct{}
	for more := true; more; {
		if p.delivered != nil {
			waiting = append(waiting, p.delivered)
		} else {
			lines = append(lines, p.line)
		}
		if len(lines) == shipBatch {
			break
		}
		select {
		case p = <-s.queue:
		default:
			more = false
		}
	}
	if len(lines) > 0 {
		s.control.Log(lines)
	}
	for _, c := range waiting {
		close(c)
	}
}
