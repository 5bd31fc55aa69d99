package main

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) logCommands() []*cobra.Command {
	logs := &cobra.Command{Use: "logs", Short: "show an app's log", Args: takes(0, 0)}
	var in api.LogSessionRequest
	f := logs.Flags()
	num := f.IntP("num", "n", 100, "how many lines")
	f.BoolVarP(&in.Tail, "tail", "t", false, "go on with new lines")
	f.StringVarP(&in.Source, "source", "s", "", "lines of app or of paas only")
	f.StringVarP(&in.Dyno, "dyno-name", "d", "", "lines of one dyno only (web.1, router)")
	f.StringVarP(&in.Type, "process-type", "p", "", "lines of one process type only (web)")
	c.onApp(logs, func(s *session, _ []string) error {
		in.Lines = num
		out := &logWriter{w: s.out, colour: s.colour}
		err := s.api.Logs(s.ctx, s.app, in, out)
		err = errors.Join(err, out.flush())
		if in.Tail && errors.Is(err, context.Canceled) {
			return nil // how a tail is ended
		}
		return err
	})
	return []*cobra.Command{logs}
}

// logWriter writes whole lines, harmless ones: colours stay when the terminal
// shows them, everything else that a terminal would obey is escaped.
type logWriter struct {
	w      io.Writer
	colour bool
	part   []byte
}

func (l *logWriter) Write(p []byte) (int, error) {
	const longest = 64 << 10 // of a line; what is longer is broken
	l.part = append(l.part, p...)
	var out bytes.Buffer
	for {
		i := bytes.IndexByte(l.part, '\n')
		if i < 0 {
			break
		}
		l.line(&out, string(l.part[:i]))
		l.part = l.part[i+1:]
	}
	if len(l.part) > longest {
		l.line(&out, string(l.part))
		l.part = nil
	}
	if _, err := l.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (l *logWriter) flush() error {
	if len(l.part) == 0 {
		return nil
	}
	_, err := l.Write([]byte("\n"))
	return err
}

func (l *logWriter) line(out *bytes.Buffer, s string) {
	head, text, found := strings.Cut(s, "]: ")
	if !l.colour || !found {
		out.WriteString(api.Printable(s, false) + "\n")
		return
	}
	head = printable(head + "]:")
	dyno := head[strings.LastIndexByte(head, ' ')+1:]
	h := fnv.New32a()
	h.Write([]byte(dyno))
	out.WriteString("\x1b[" + strconv.Itoa(31+int(h.Sum32()%6)) + "m" + head + "\x1b[0m " + api.Printable(text, true) + "\x1b[0m\n")
}
