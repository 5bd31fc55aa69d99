package main

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) logCommands() []*cobra.Command {
	logs := &cobra.Command{Use: "logs", Short: "show an app's log, search it, follow it", Args: takes(0, 0),
		Long: `Show the newest lines of an app's log: what the app, its builds and releases,
the router and the platform said. With --since, --until, --grep, --regex or --level
everything that is kept is searched.`}
	var in api.LogSessionRequest
	f := logs.Flags()
	num := f.IntP("num", "n", 100, "how many lines; of a search all unless given")
	f.BoolVarP(&in.Tail, "tail", "t", false, "go on with new lines")
	f.StringVarP(&in.Source, "source", "s", "", "lines of app or of paas only")
	f.StringVarP(&in.Dyno, "dyno-name", "d", "", "lines of one dyno only (web.1, router)")
	f.StringVar(&in.Dyno, "dyno", "", "the same as --dyno-name")
	f.StringVarP(&in.Type, "process-type", "p", "", "lines of one process type only (web)")
	f.StringVar(&in.Since, "since", "", "lines since a time, or so long ago (2h, 7d, 2026-05-01T12:00:00Z)")
	f.StringVar(&in.Until, "until", "", "lines before a time, or so long ago")
	f.StringVarP(&in.Text, "grep", "g", "", "lines that hold this text")
	f.StringVar(&in.Pattern, "regex", "", "lines that match this regular expression (RE2)")
	f.StringVar(&in.Level, "level", "", "lines that seem to be an error, warn or info, guessed from their text")
	f.BoolVarP(&in.IgnoreCase, "ignore-case", "i", false, "--grep and --regex in any case")
	_ = f.MarkHidden("dyno") // as older clients have it
	c.onApp(logs, func(s *session, _ []string) error {
		if f.Changed("num") || !searches(in) {
			in.Lines = num
		}
		in.Since, in.Until = localTime(in.Since), localTime(in.Until)
		return s.logs(in)
	})
	return []*cobra.Command{logs}
}

func searches(in api.LogSessionRequest) bool {
	return in.Since+in.Until+in.Text+in.Pattern+in.Level != ""
}

// localTime gives a time without a zone, as people write it, the zone of this
// machine. Everything else is the server's to understand.
func localTime(s string) string {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateTime} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t.Format(time.RFC3339)
		}
	}
	return s
}

func (s *session) logs(in api.LogSessionRequest) error {
	out := &logWriter{w: s.out, colour: s.colour}
	if !in.Tail {
		return errors.Join(s.api.Logs(s.ctx, s.app, in, out), out.flush())
	}
	told := time.Time{}
	err := s.api.Tail(s.ctx, s.app, in, out, func(err error) {
		if time.Since(told) > 10*time.Second { // not with each attempt
			s.warn("The log was cut off and is taken up again: " + err.Error())
			told = time.Now()
		}
	})
	if errors.Is(err, context.Canceled) {
		err = nil // how a tail is ended
	}
	return errors.Join(err, out.flush())
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
