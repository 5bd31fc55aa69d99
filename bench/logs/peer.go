package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// peer measures what is there without paas: rsyslog writing a file per app,
// and tail -f on each.
func (b *bench) peer(ctx context.Context, rate int, length time.Duration) (m measured, err error) {
	dir, err := os.MkdirTemp("", "paas-bench-")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(dir)
	for n := range b.apps { // tail wants them there
		if err := os.WriteFile(filepath.Join(dir, appName(n)+".log"), []byte("app[web.1]: "+warmUp+"\n"), 0o644); err != nil {
			return m, err
		}
	}
	name, pid, connect, stop := "files and tail -f", os.Getpid(), b.files(dir), func() error { return nil }
	if rsyslogd := b.findRsyslog(); rsyslogd != "" {
		var version string
		if version, pid, connect, stop, err = b.rsyslog(ctx, rsyslogd, dir); err != nil {
			return m, err
		}
		name = version + " and tail -f"
	}
	writers := make([]*bufio.Writer, b.apps)
	for n := range writers {
		if writers[n], err = connect(n); err != nil {
			return m, errors.Join(err, stop())
		}
	}
	var use usage
	m, err = b.child(ctx, dir, func() error {
		use = used(pid)
		_, err := load(ctx, b.apps, rate, length, func(app int, texts []string) error {
			for _, t := range texts {
				fmt.Fprintf(writers[app], "<190>1 %s host %s web.1 - - app[web.1]: %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), appName(app), t)
			}
			return writers[app].Flush()
		})
		use = used(pid).since(use)
		return err
	})
	m.finish(fmt.Sprintf("%s at %d/s", name, rate), int(float64(rate/b.apps)*length.Seconds())*b.apps, use, length)
	return m, errors.Join(err, stop())
}

// files appends to the files directly.
func (b *bench) files(dir string) func(int) (*bufio.Writer, error) {
	return func(n int) (*bufio.Writer, error) {
		f, err := os.OpenFile(filepath.Join(dir, appName(n)+".log"), os.O_WRONLY|os.O_APPEND, 0)
		return bufio.NewWriterSize(f, 64<<10), err
	}
}

func (b *bench) findRsyslog() string {
	if b.rsyslogd != "" {
		return b.rsyslogd
	}
	if b.rsyslogLib != "" {
		return filepath.Join(b.rsyslogLib, "usr/sbin/rsyslogd")
	}
	path, err := exec.LookPath("rsyslogd")
	if err != nil {
		return ""
	}
	return path
}

const rsyslogConf = `module(load="imtcp" maxSessions="100")
global(workDirectory="%[1]s" maxMessageSize="64k")
main_queue(queue.size="500000" queue.workerThreads="2")
template(name="file" type="string" string="%[1]s/%%app-name%%.log")
template(name="line" type="string" string="%%timereported:::date-rfc3339%% %%msg:::sp-if-no-1st-sp%%%%msg%%\n")
input(type="imtcp" address="127.0.0.1" port="%[2]s")
action(type="omfile" dynaFile="file" template="line" dynaFileCacheSize="100")
`

// rsyslog starts one that writes below dir; connect gives a connection to it.
func (b *bench) rsyslog(ctx context.Context, path, dir string) (version string, pid int, connect func(int) (*bufio.Writer, error), stop func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", 0, nil, nil, err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	conf := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, rsyslogConf, dir, port), 0o644); err != nil {
		return "", 0, nil, nil, err
	}
	args := []string{"-n", "-f", conf, "-i", filepath.Join(dir, "pid")}
	env := os.Environ()
	if b.rsyslogLib != "" {
		lib := filepath.Join(b.rsyslogLib, "usr/lib/x86_64-linux-gnu")
		args, env = append(args, "-M", filepath.Join(lib, "rsyslog")), append(env, "LD_LIBRARY_PATH="+lib)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env, cmd.Stderr = env, os.Stderr
	if err := cmd.Start(); err != nil {
		return "", 0, nil, nil, err
	}
	asked := exec.CommandContext(ctx, path, "-v")
	asked.Env = env
	out, _ := asked.Output()
	version, _, _ = strings.Cut(string(out), " (")
	version = strings.Join(strings.Fields(version), " ")
	connect = func(int) (*bufio.Writer, error) {
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			conn, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err == nil || time.Now().After(deadline) {
				return bufio.NewWriterSize(conn, 64<<10), err
			}
		}
	}
	stop = func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // its exit status says nothing of use
		return nil
	}
	return version, cmd.Process.Pid, connect, stop, nil
}
