package agenttest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// tools are the modes that people use from a terminal or a pipe:
//
//	cat            its input is its output
//	sum            the SHA-256 and the length of its input
//	head N         N bytes of its input; it does not read the rest
//	both           a line on stdout and one on stderr, then 3
//	size           the size of its terminal, now and when it changes, until its input ends
//	shell          its input a line at a time; ends by SIGHUP, not by SIGTERM
//	file P         the content of a file
//	note P TEXT    adds a line to a file, and shows all of it
//	fill P…        writes 64 KB to each file, in a directory that it makes
//	spoil P        why a file cannot be written
//	reach ADDR…    which TCP addresses let themselves be connected to, a line each
//	lookup NAME    the address of a name
//	query S NAME…  the addresses of names, asked of the name server at S from one port, a line each
//
// and those that need a container:
//
//	hold           lives until it is killed
//	brood          has a child, and another that left its family, which hold; then holds
//	leave          has a child that holds on to its output, and ends
//	wrap MODE      runs MODE as its child and passes no signal on
func tools() map[string]func(Process, context.Context) int {
	return map[string]func(Process, context.Context) int{
		"cat": Process.cat, "sum": Process.sum, "head": Process.head, "both": Process.both, "size": Process.size, "shell": Process.shell,
		"file": Process.file, "spoil": Process.spoil, "hold": Process.hold, "brood": Process.brood, "wrap": Process.wrap, "leave": Process.leave,
		"note": Process.note, "fill": Process.fill, "reach": Process.reach, "lookup": Process.lookup, "query": Process.query,
	}
}

func (p Process) cat(context.Context) int {
	if _, err := io.Copy(p.Out, p.In); err != nil {
		return 1
	}
	return 0
}

func (p Process) sum(context.Context) int {
	h := sha256.New()
	n, err := io.Copy(h, p.In)
	fmt.Fprintf(p.Out, "%x %d\n", h.Sum(nil), n)
	if err != nil {
		return 1
	}
	return 0
}

func (p Process) head(context.Context) int {
	n, _ := strconv.Atoi(p.Args[1])
	_, _ = io.CopyN(p.Out, p.In, int64(n))
	return 0
}

func (p Process) note(ctx context.Context) int {
	f, err := os.OpenFile(p.Args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, p.Args[2])
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		fmt.Fprintln(p.Out, err)
		return 1
	}
	return p.file(ctx)
}

func (p Process) fill(context.Context) int {
	for _, name := range p.Args[1:] {
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		if err == nil {
			err = os.WriteFile(name, make([]byte, 64<<10), 0o600)
		}
		if err != nil {
			fmt.Fprintln(p.Out, err)
			return 1
		}
	}
	return 0
}

func (p Process) both(context.Context) int {
	fmt.Fprintln(p.Out, "to stdout")
	fmt.Fprintln(p.Err, "to stderr")
	return 3
}

func (p Process) size(ctx context.Context) int {
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = io.Copy(io.Discard, p.In)
	}()
	var rows, cols uint16
	for {
		if r, c := p.Size(); r != rows || c != cols {
			rows, cols = r, c
			fmt.Fprintf(p.Out, "%dx%d\n", rows, cols)
		}
		select {
		case <-p.Resized:
		case <-over:
			return 0
		case <-ctx.Done():
			return 137
		}
	}
}

func (p Process) shell(ctx context.Context) int {
	fmt.Fprintln(p.Out, "ready")
	over := make(chan struct{})
	go func() {
		defer close(over)
		for in := bufio.NewScanner(p.In); in.Scan(); {
			fmt.Fprintf(p.Out, "got %s\n", in.Text())
		}
	}()
	select {
	case <-over:
		return 0
	case <-p.Hup:
		return 129
	case <-ctx.Done():
		return 137
	}
}

func (p Process) file(context.Context) int {
	b, ok := p.Files[p.Args[1]]
	if !ok {
		var err error
		if b, err = os.ReadFile(p.Args[1]); err != nil {
			fmt.Fprintln(p.Err, err)
			return 1
		}
	}
	_, _ = p.Out.Write(b)
	return 0
}

func (p Process) spoil(context.Context) int {
	err := os.WriteFile(p.Args[1], []byte("spoiled"), 0o644)
	if _, fake := p.Files[p.Args[1]]; fake {
		err = syscall.EROFS
	}
	if err == nil {
		return 1
	}
	fmt.Fprintln(p.Out, err)
	return 0
}

func (p Process) hold(ctx context.Context) int {
	<-ctx.Done()
	return 137
}

// brood makes a child, and through one that ends at once a grandchild with a
// session of its own, whose parent nobody is any more.
func (p Process) brood(ctx context.Context) int {
	child := exec.Command("/proc/self/exe", "hold")
	if err := child.Start(); err != nil {
		fmt.Fprintln(p.Err, err)
		return 1
	}
	if len(p.Args) == 1 {
		between := exec.Command("/proc/self/exe", "brood", "once")
		between.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := between.Run(); err != nil {
			fmt.Fprintln(p.Err, err)
			return 1
		}
		fmt.Fprintln(p.Out, "brood")
		return p.hold(ctx)
	}
	return 0
}

func (p Process) leave(context.Context) int {
	child := exec.Command("/proc/self/exe", "hold")
	child.Stdout = os.Stdout
	if err := child.Start(); err != nil {
		return 1
	}
	fmt.Fprintln(p.Out, "left")
	return 4
}

func (p Process) wrap(ctx context.Context) int {
	child := exec.Command("/proc/self/exe", p.Args[1:]...)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		fmt.Fprintln(p.Err, err)
		return 1
	}
	_ = child.Wait()
	return 0
}
