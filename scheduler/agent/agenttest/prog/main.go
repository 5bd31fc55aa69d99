// Command prog is the only file of the images that the tests run.
package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"paas/scheduler/agent/agenttest"
)

func main() {
	// Taken in every mode: those that ignore SIGTERM must not die of it.
	term, hup, resized := make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGWINCH)
	go func() {
		onTerm, onHup := sync.OnceFunc(func() { close(term) }), sync.OnceFunc(func() { close(hup) })
		for s := range signals {
			switch s {
			case syscall.SIGTERM:
				onTerm()
			case syscall.SIGHUP:
				onHup()
			default:
				select {
				case resized <- struct{}{}:
				default:
				}
			}
		}
	}()
	env := map[string]string{}
	for _, kv := range os.Environ() {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	os.Exit(agenttest.Run(context.Background(), agenttest.Process{
		Args: os.Args[1:], Env: env, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Term: term, Hup: hup, Size: size, Resized: resized,
	}))
}

// size is of the terminal, if there is one.
func size() (rows, cols uint16) {
	w, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return w.Row, w.Col
}
