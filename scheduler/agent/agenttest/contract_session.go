package agenttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// open offers a session and gives the agent's side of it.
func (w *wire) open(t *testing.T, s agent.Session) (far agent.Session, gone func(), ended <-chan agent.SessionEnd) {
	t.Helper()
	end, left := make(chan agent.SessionEnd, 1), make(chan struct{})
	s.Instance, s.Gone = "1", left
	s.Ended = func(e agent.SessionEnd) { end <- e }
	w.plane.Open(t.Context(), s)
	return next(t, w.sessions, "the session"), func() { close(left) }, end
}

func sessionEchoes(t *testing.T, w *wire) {
	w.own(t, "1")
	in, out, errs := bytes.Repeat([]byte("0123456789abcdef"), 1<<16), &bytes.Buffer{}, &bytes.Buffer{}
	far, _, ended := w.open(t, agent.Session{Kind: agent.Exec, Command: []string{"a", "\xff"}, Env: map[string]string{"K": "\xfe"}, TTY: true, Port: 5,
		IO: agent.IO{In: bytes.NewReader(in), Out: out, Err: errs}})
	if far.Kind != agent.Exec || far.Instance != "1" || !slices.Equal(far.Command, []string{"a", "\xff"}) || far.Env["K"] != "\xfe" || !far.TTY || far.Port != 5 {
		t.Errorf("%+v", far)
	}
	if _, err := io.Copy(far.IO.Out, struct{ io.Reader }{far.IO.In}); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(far.IO.Err, "oh") // fails the test below when it fails
	far.Ended(agent.SessionEnd{ExitCode: 7})
	if e := next(t, ended, "the end"); e.ExitCode != 7 || e.Err != nil {
		t.Errorf("%+v", e)
	}
	if !bytes.Equal(out.Bytes(), in) || errs.String() != "oh" {
		t.Errorf("%d bytes of %d, %q", out.Len(), len(in), errs)
	}
}

func sessionWithoutInput(t *testing.T, w *wire) {
	w.own(t, "1")
	out := &bytes.Buffer{}
	far, _, ended := w.open(t, agent.Session{Kind: agent.Attach, IO: agent.IO{Out: out}})
	if far.IO.In != nil {
		t.Error("there is an input")
	}
	fmt.Fprint(far.IO.Out, "hello") // fails the test below when it fails
	far.Ended(agent.SessionEnd{})
	next(t, ended, "the end")
	if out.String() != "hello" {
		t.Errorf("%q", out)
	}
}

func sessionFails(t *testing.T, w *wire) {
	w.own(t, "1")
	far, _, ended := w.open(t, agent.Session{Kind: agent.Exec, IO: agent.IO{In: strings.NewReader("")}})
	far.Ended(agent.SessionEnd{ExitCode: 127, Err: errors.New("there is no such command")})
	if e := next(t, ended, "the end"); e.ExitCode != 127 || e.Err == nil || e.Err.Error() != "there is no such command" {
		t.Errorf("%+v", e)
	}
}

// Half an input must not look like a whole one.
func brokenInput(t *testing.T, w *wire) {
	w.own(t, "1")
	in, feed := io.Pipe()
	far, _, ended := w.open(t, agent.Session{Kind: agent.Exec, IO: agent.IO{In: in}})
	go func() {
		_, _ = feed.Write([]byte("half")) // seen below
		_ = feed.CloseWithError(errors.New("the client's network broke"))
	}()
	got, err := io.ReadAll(far.IO.In)
	if string(got) != "half" || err == nil {
		t.Errorf("%q, %v", got, err)
	}
	far.Ended(agent.SessionEnd{})
	next(t, ended, "the end")
}

// endless is an input without an end that can be closed.
type endless struct{ closed chan struct{} }

func (e endless) Read(p []byte) (int, error) {
	select {
	case <-e.closed:
		return 0, io.ErrClosedPipe
	default:
		clear(p)
		return len(p), nil
	}
}

func (e endless) Close() error {
	close(e.closed)
	return nil
}

// A process that does not read keeps no news from getting through.
func unreadInput(t *testing.T, w *wire) {
	w.own(t, "1")
	sizes := make(chan agent.WindowSize)
	far, gone, ended := w.open(t, agent.Session{Kind: agent.Exec, IO: agent.IO{In: endless{make(chan struct{})}, Resize: sizes}})
	go func() { sizes <- agent.WindowSize{Rows: 5, Cols: 6} }()
	if s := next(t, far.IO.Resize, "the size"); s.Rows != 5 {
		t.Errorf("%+v", s)
	}
	gone()
	next(t, far.Gone, "the news")
	far.Ended(agent.SessionEnd{ExitCode: 1})
	next(t, ended, "the end")
}

// stuck is an output whose client takes nothing until it is closed.
type stuck struct{ closed chan struct{} }

func (s stuck) Write([]byte) (int, error) {
	<-s.closed
	return 0, io.ErrClosedPipe
}

// A client that takes nothing holds a write up until it has gone.
func untakenOutput(t *testing.T, w *wire) {
	w.own(t, "1")
	out := stuck{make(chan struct{})}
	far, gone, ended := w.open(t, agent.Session{Kind: agent.Exec, IO: agent.IO{Out: out}})
	wrote := make(chan error, 1)
	go func() {
		for {
			if _, err := far.IO.Out.Write(make([]byte, 1<<20)); err != nil {
				wrote <- err
				return
			}
		}
	}()
	gone()
	close(out.closed) // its owner does that
	if next(t, wrote, "the write to return") == nil {
		t.Error("it wrote")
	}
	far.Ended(agent.SessionEnd{ExitCode: 1})
	next(t, ended, "the end")
}

func unwantedInput(t *testing.T, w *wire) {
	w.own(t, "1")
	in, _ := io.Pipe() // nothing comes
	far, _, ended := w.open(t, agent.Session{Kind: agent.Exec, IO: agent.IO{In: in}})
	read := make(chan error, 1)
	go func() {
		_, err := far.IO.In.Read(make([]byte, 1))
		read <- err
	}()
	if err := far.IO.In.(io.Closer).Close(); err != nil {
		t.Error(err)
	}
	if err := next(t, read, "the read to return"); err == nil || err == io.EOF {
		t.Error(err)
	}
	far.Ended(agent.SessionEnd{})
	next(t, ended, "the end")
}

func sizesArrive(t *testing.T, w *wire) {
	w.own(t, "1")
	sizes := make(chan agent.WindowSize)
	far, _, ended := w.open(t, agent.Session{Kind: agent.Attach, TTY: true, IO: agent.IO{Resize: sizes}})
	for i := range uint16(3) {
		want := agent.WindowSize{Rows: i, Cols: 1000 + i}
		go func() { sizes <- want }()
		if got := next(t, far.IO.Resize, "the size"); got != want {
			t.Errorf("%+v", got)
		}
	}
	far.Ended(agent.SessionEnd{})
	next(t, ended, "the end")
}

func manySessions(t *testing.T, w *wire) {
	w.own(t, "1")
	const many = 30
	ends := make(chan int, many)
	for i := range many {
		s := agent.Session{Instance: "1", Kind: agent.Exec, Port: i, Gone: make(chan struct{}), Ended: func(e agent.SessionEnd) { ends <- e.ExitCode - i }}
		go w.plane.Open(t.Context(), s)
	}
	for range many {
		far := next(t, w.sessions, "a session")
		go far.Ended(agent.SessionEnd{ExitCode: far.Port + 1})
	}
	for range many {
		if off := next(t, ends, "an end"); off != 1 {
			t.Error("an end went to another session")
		}
	}
}

func goneBefore(t *testing.T, w *wire) {
	w.own(t, "1")
	ended, gone := make(chan agent.SessionEnd, 1), make(chan struct{})
	close(gone)
	w.plane.Open(t.Context(), agent.Session{Instance: "1", Kind: agent.Exec, Gone: gone, Ended: func(e agent.SessionEnd) { ended <- e }})
	select {
	case far := <-w.sessions: // then it is told
		next(t, far.Gone, "the news")
		far.Ended(agent.SessionEnd{ExitCode: 1})
	case <-ended:
		return
	case <-time.After(wireLimit):
	}
	next(t, ended, "the end")
}

func muchOutput(t *testing.T, w *wire) {
	w.own(t, "1")
	const size = 32 << 20
	n := counter(0)
	far, _, ended := w.open(t, agent.Session{Kind: agent.Forward, Port: 1, IO: agent.IO{Out: &n}})
	if _, err := io.CopyN(far.IO.Out, endless{make(chan struct{})}, size); err != nil {
		t.Fatal(err)
	}
	far.Ended(agent.SessionEnd{})
	next(t, ended, "the end")
	if n != size {
		t.Errorf("%d bytes", n)
	}
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// The end comes after the last byte, however many writes went before it.
func wordsAfterEnd(t *testing.T, w *wire) {
	w.own(t, "1")
	var out bytes.Buffer
	far, _, ended := w.open(t, agent.Session{Kind: agent.Exec, IO: agent.IO{Out: &out}})
	for i := range 1000 {
		fmt.Fprintf(far.IO.Out, "%03d", i) // fails the test below when it fails
	}
	far.Ended(agent.SessionEnd{})
	next(t, ended, "the end")
	if out.Len() != 3000 || !strings.HasSuffix(out.String(), "999") {
		t.Errorf("%d bytes", out.Len())
	}
}
