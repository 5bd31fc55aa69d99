package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"paas/builder"
)

// loggedBuilds is a Builder that also writes what it prints into the app's
// log, as lines of app[build]: there it can be searched, followed and drained
// like everything else.
type loggedBuilds struct {
	Builder
	logs Logs
}

// Build builds; why it failed is part of the log too.
func (b loggedBuilds) Build(ctx context.Context, r builder.Request, out io.Writer) (builder.Image, error) {
	log := &lineLog{append: func(text string) { b.logs.Append(buildLine(r.AppID, text)) }}
	img, err := b.Builder.Build(ctx, r, io.MultiWriter(out, log))
	log.end()
	var f *builder.Failure
	if errors.As(err, &f) {
		for line := range strings.SplitSeq(strings.TrimRight(f.Detail+"\n"+f.Reason, "\n"), "\n") {
			log.line(line)
		}
	}
	return img, err
}

func buildLine(appID, text string) LogLine {
	l := AppLine(appID, "build", text)
	l.Source = "app"
	return l
}

// lineLog is a Writer that passes on whole lines which say something.
type lineLog struct {
	append func(text string)
	part   []byte
}

func (w *lineLog) Write(p []byte) (int, error) {
	const longest = 64 << 10 // of a line; what is longer is broken
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		w.part = append(w.part, line...)
		if ended || len(w.part) > longest {
			w.end()
		}
		rest = after
	}
	return len(p), nil
}

// end passes on what has no line end yet.
func (w *lineLog) end() {
	w.line(string(w.part))
	w.part = w.part[:0]
}

func (w *lineLog) line(s string) {
	// A progress line that overwrote itself is worth its last state.
	s = strings.TrimRight(s, "\r\t ")
	s = s[strings.LastIndexByte(s, '\r')+1:]
	if s != "" {
		w.append(s)
	}
}
