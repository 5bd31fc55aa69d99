// Package agenttest holds what the tests of the agent and of its runtimes
// share: a program with all the manners of an app, a runtime in memory, the
// contract every runtime keeps and a control plane that remembers. Only tests
// import it.
package agenttest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is what the program sees of the world, the same in a container and
// in the fake.
type Process struct {
	Args []string          // mode and its arguments
	Env  map[string]string // PORT among them
	Host string            // address to listen on
	In   io.Reader
	Out  io.Writer
	Err  io.Writer
	Term <-chan struct{} // closed by SIGTERM
	Hup  <-chan struct{} // closed by SIGHUP
	// Size tells the terminal's rows and columns, of none 0; Resized that they
	// have changed.
	Size    func() (rows, cols uint16)
	Resized <-chan struct{}
	Files   map[string][]byte // of the fake, by path
}

// Run is the program; it returns the exit code. Modes:
//
//	web            serves 200 on $PORT, says "listening" and, after SIGTERM, "bye"
//	late D         the same, after the duration D
//	deaf           the same, and ignores SIGTERM
//	status N       serves status N; all that serve print "METHOD HOST PATH"
//	mute           accepts connections and never answers
//	silent         does nothing until SIGTERM
//	exit N text    prints text and exits with N
//	lines N        prints N lines, then waits for SIGTERM
//	ticker         prints a numbered line each millisecond until SIGTERM
//	flood          prints as fast as it can until SIGTERM
//	long N         prints a line of N bytes, then "half" without a line end
//	env            prints arguments and environment as JSON
//	cat, sum, head, both, size, shell, file, spoil, hold, brood, wrap: see tools.go
//	eat, fork, self: see below and self.go; they need a container
func Run(ctx context.Context, p Process) int {
	if len(p.Args) == 0 {
		p.Args = []string{"web"}
	}
	n := 0
	if len(p.Args) > 1 {
		n, _ = strconv.Atoi(p.Args[1]) // modes that want none ignore it
	}
	switch p.Args[0] {
	case "web":
		return p.serve(ctx, p.Term, http.StatusOK)
	case "late":
		return p.late(ctx)
	case "deaf":
		return p.serve(ctx, nil, http.StatusOK)
	case "status":
		return p.serve(ctx, p.Term, n)
	case "mute":
		return p.mute(ctx)
	case "silent":
		return p.idle(ctx)
	case "exit":
		fmt.Fprintln(p.Out, strings.Join(p.Args[2:], " "))
		return n
	case "lines", "ticker", "flood", "long":
		return p.print(ctx, n)
	case "env":
		_ = json.NewEncoder(p.Out).Encode(map[string]any{"args": p.Args, "env": p.Env})
		return 0
	case "eat":
		// The engine watches a container's memory once it has started it: who dies
		// before that is not known to have died of it. So it says that it is there,
		// and is told to eat.
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGUSR1)
		fmt.Fprintln(p.Out, "hungry")
		<-told
		return eat()
	case "fork":
		return p.fork(ctx)
	case "self":
		return p.self()
	}
	if tool, ok := tools()[p.Args[0]]; ok {
		return tool(p, ctx)
	}
	fmt.Fprintln(p.Err, "unknown mode", p.Args[0])
	return 2
}

func (p Process) idle(ctx context.Context) int {
	select {
	case <-p.Term:
		fmt.Fprintln(p.Out, "bye")
		return 0
	case <-ctx.Done():
		return 137
	}
}

func (p Process) late(ctx context.Context) int {
	d, err := time.ParseDuration(p.Args[1])
	if err != nil {
		return 2
	}
	select {
	case <-time.After(d):
		return p.serve(ctx, p.Term, http.StatusOK)
	case <-p.Term:
		return 0
	case <-ctx.Done():
		return 137
	}
}

func (p Process) listen() (net.Listener, bool) {
	l, err := net.Listen("tcp", net.JoinHostPort(p.Host, p.Env["PORT"]))
	if err != nil {
		fmt.Fprintln(p.Err, err)
		return nil, false
	}
	fmt.Fprintln(p.Out, "listening")
	return l, true
}

func (p Process) serve(ctx context.Context, term <-chan struct{}, status int) int {
	l, ok := p.listen()
	if !ok {
		return 1
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			http.Error(w, "a redirect was followed", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(p.Out, r.Method, r.Host, r.URL.Path)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		fmt.Fprintf(w, "%s %s %s\n", r.Method, r.Host, r.URL.Path)
	})}
	defer s.Close()
	go s.Serve(l) //nolint:errcheck // ends with Close
	select {
	case <-term:
		fmt.Fprintln(p.Out, "bye")
		return 0
	case <-ctx.Done():
		return 137
	}
}

func (p Process) mute(ctx context.Context) int {
	l, ok := p.listen()
	if !ok {
		return 1
	}
	defer l.Close()
	var held []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			held = append(held, c) // an unreferenced connection would be closed
		}
	}()
	return p.idle(ctx)
}

func (p Process) print(ctx context.Context, n int) int {
	switch p.Args[0] {
	case "lines":
		for i := range n {
			fmt.Fprintf(p.Out, "line %06d\n", i)
		}
		return p.idle(ctx)
	case "long":
		fmt.Fprintf(p.Out, "%s\nhalf", strings.Repeat("x", n))
		return 0
	}
	pause := time.Duration(0)
	if p.Args[0] == "ticker" {
		pause = time.Millisecond
	}
	for i := 0; ; i++ {
		select {
		case <-p.Term:
			return 0
		case <-ctx.Done():
			return 137
		default:
		}
		fmt.Fprintf(p.Out, "line %06d of a program that has much to tell\n", i)
		time.Sleep(pause)
	}
}

// fork starts children until it must not, and tells how many.
func (p Process) fork(ctx context.Context) int {
	n := 0
	for ; n < 1000; n++ {
		c := exec.Command("/proc/self/exe", "silent")
		if err := c.Start(); err != nil {
			break
		}
		defer c.Process.Kill() //nolint:errcheck // they end with the container
	}
	fmt.Fprintln(p.Out, "forked", n)
	return p.idle(ctx)
}

// eat takes memory until it is killed.
func eat() int {
	var held [][]byte
	for {
		b := make([]byte, 8<<20)
		for i := 0; i < len(b); i += os.Getpagesize() {
			b[i] = 1
		}
		held = append(held, b)
		if len(held) > 1000 {
			return 0
		}
	}
}
