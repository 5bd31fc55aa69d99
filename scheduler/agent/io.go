package agent

import (
	"io"
	"sync"
)

// Feed copies In to w in the background and calls eof when In ended as it
// should. stop ends the copying: it closes an In that can be closed and waits,
// so that nothing reads it any more; an In that cannot be closed is let go at
// its next byte. w must fail by then, or its Write would hold stop up.
func (o IO) Feed(w io.Writer, eof func()) (stop func()) {
	if o.In == nil {
		eof()
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := io.Copy(w, plainReader{o.In}); err == nil {
			eof()
		}
	}()
	return func() {
		if c, ok := o.In.(io.Closer); ok {
			_ = c.Close() // what it could say concerns bytes nobody wants any more
			<-done
		}
	}
}

// plainReader hides WriteTo: with it a whole input could be one Write, which
// no buffer bounds.
type plainReader struct{ io.Reader }

// Lasting takes output also when its client does not any more, and says so
// once: an input that broke off with its output would look to the process like
// one that is complete, so the process has to be ended first.
func (o IO) Lasting(broken func(error)) IO {
	var once sync.Once
	say := func(err error) { once.Do(func() { broken(err) }) }
	o.Out, o.Err = &lasting{to: o.Out, broken: say}, &lasting{to: o.Err, broken: say}
	return o
}

// lasting discards what its writer does not take. It has one user at a time.
type lasting struct {
	to     io.Writer
	over   bool
	broken func(error)
}

func (l *lasting) Write(p []byte) (int, error) {
	if !l.over {
		if _, err := l.to.Write(p); err != nil {
			l.over = true
			l.broken(err)
		}
	}
	return len(p), nil
}

// complete gives streams to those a session left out.
func (o IO) complete() IO {
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Err == nil {
		o.Err = io.Discard
	}
	return o
}
