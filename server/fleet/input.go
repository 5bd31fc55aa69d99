package fleet

import (
	"io"
	"sync"
)

// input is what a client has sent and the process has not read yet: at most
// inputRoom bytes, which the other end keeps to.
type input struct {
	v    *visit
	more chan struct{} // something changed

	mu     sync.Mutex
	buf    []byte
	err    error // after buf
	credit int   // bytes that were read and not told of yet
	closed bool  // nothing more is wanted
	told   bool  // of that
}

// put takes bytes in; false when there is no room for them.
func (i *input) put(b []byte) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed || i.err != nil {
		return true
	}
	if len(i.buf)+len(b) > inputRoom {
		return false
	}
	i.buf = append(i.buf, b...)
	ring(i.more)
	return true
}

// end says with what the input ends after what is there.
func (i *input) end(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err == nil {
		i.err = err
	}
	ring(i.more)
}

func (i *input) Read(p []byte) (int, error) {
	for len(p) > 0 {
		n, err, ok := i.next(p)
		if ok {
			return n, err
		}
		<-i.more
	}
	return 0, nil
}

// next reads what is there; ok is false when one has to wait.
func (i *input) next(p []byte) (n int, err error, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.closed:
		ring(i.more) // for whoever reads after this
		return 0, io.ErrClosedPipe, true
	case len(i.buf) > 0:
		n = copy(p, i.buf)
		i.buf = i.buf[:copy(i.buf, i.buf[n:])]
		i.credit += n
		ring(i.v.wake)
		return n, nil, true
	case i.err != nil:
		ring(i.more)
		return 0, i.err, true
	}
	return 0, nil, false
}

// Close makes Read return and the client's input unwanted.
func (i *input) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed, i.buf = true, nil
	ring(i.more)
	ring(i.v.wake)
	return nil
}

// taken gives the bytes that were read since it was last asked, and once that
// nothing more is wanted.
func (i *input) taken() (n int, closed bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	n, closed = i.credit, i.closed && !i.told
	i.credit, i.told = 0, i.closed
	return n, closed
}

// ring leaves a notice in a channel that holds one.
func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
