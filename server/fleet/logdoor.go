package fleet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"paas/server"
)

// DoorLogs is where servers read each other's logs. It is open also at one that
// does not lead.
const DoorLogs = "paas-logs/1"

const maxLine = 64 << 10 // bytes of one line on its way, as JSON

// logWish is a server.LogQuery on its way.
type logWish struct {
	App, Source, Dyno, Type string
	Lines                   int
	Tail                    bool
	Since, Until            time.Time
	Text, Level             string
	Fold                    bool
	Pattern                 *regexp.Regexp
}

// wireLine carries bytes that are not text unharmed.
type wireLine struct {
	server.LogLine
	Text []byte
}

// LogDoor serves other servers with the logs that this one keeps.
func LogDoor(logs server.Logs) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cursor", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(logs.Cursor(r.URL.Query().Get("instance"))) // the other end has gone when it fails
	})
	mux.HandleFunc("POST /read", func(w http.ResponseWriter, r *http.Request) {
		var q logWish
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJoin)).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		serveLog(w, r, logs, q)
	})
	return mux
}

// serveLog writes lines as frames of JSON. Empty ones say that it is there.
func serveLog(w http.ResponseWriter, r *http.Request, logs server.Logs, q logWish) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := newStream(w)
	pump := server.PumpLog(ctx, server.LogSink{Encode: encodeLine, Write: func(batch []byte) error {
		err := out.raw(batch)
		if err != nil {
			cancel()
		}
		return err
	}})
	say := func(kind string) { _ = pump.Line(server.LogLine{Source: kind}) } // else the pump has ended
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	ended := make(chan error, 1)
	go func() {
		ended <- logs.Read(ctx, server.LogQuery{AppID: q.App, Source: q.Source, Dyno: q.Dyno, Type: q.Type, Lines: q.Lines, Tail: q.Tail, Since: q.Since,
			Until: q.Until, Text: q.Text, Level: q.Level, Fold: q.Fold, Pattern: q.Pattern,
			Joined: func() { say(wordJoined) }, Caught: func() { say(wordCaught) }}, pump.Line)
	}()
	for {
		select {
		case <-alive.C:
			say(wordAlive)
		case err := <-ended:
			if err == nil {
				say(wordEnd)
			}
			_ = pump.End() // it has gone
			return
		}
	}
}

// Sources that no line has.
const (
	wordJoined = "#joined"
	wordCaught = "#caught"
	wordAlive  = "#alive"
	wordEnd    = "#end"
)

// encodeLine appends a frame.
func encodeLine(dst []byte, l server.LogLine) []byte {
	if l.Source == wordAlive {
		return append(dst, 0, 0, 0, 0)
	}
	text, err := json.Marshal(wireLine{l, []byte(l.Text)})
	if err != nil {
		return dst // no line is so
	}
	return append(frameHead(dst, len(text)), text...)
}

// LogPeers reads logs at other servers (server.LogPeers).
type LogPeers struct{ peers *Peers }

var _ server.LogPeers = (*LogPeers)(nil)

// NewLogPeers makes it.
func NewLogPeers(p *Peers) *LogPeers { return &LogPeers{p} }

// LogCursor is server.LogPeers.
func (p *LogPeers) LogCursor(ctx context.Context, addr, instance string) (at time.Time, err error) {
	err = p.ask(ctx, addr, http.MethodGet, "/cursor?instance="+url.QueryEscape(instance), nil, func(body io.Reader, _ func()) error {
		return json.NewDecoder(io.LimitReader(body, maxJoin)).Decode(&at)
	})
	return at, err
}

var errLogCut = errors.New("the other server broke off")

// ReadLog is server.LogPeers.
func (p *LogPeers) ReadLog(ctx context.Context, addr string, q server.LogQuery, line func(server.LogLine) error) error {
	wish, err := json.Marshal(logWish{App: q.AppID, Source: q.Source, Dyno: q.Dyno, Type: q.Type, Lines: q.Lines, Tail: q.Tail, Since: q.Since,
		Until: q.Until, Text: q.Text, Level: q.Level, Fold: q.Fold, Pattern: q.Pattern})
	if err != nil {
		return err
	}
	return p.ask(ctx, addr, http.MethodPost, "/read", wish, func(body io.Reader, alive func()) error {
		in := bufio.NewReaderSize(body, 64<<10)
		for {
			frame, err := readFrame(in, maxLine)
			if err != nil {
				return errors.Join(errLogCut, err)
			}
			alive()
			if len(frame) == 0 {
				continue
			}
			var l wireLine
			if err := json.Unmarshal(frame, &l); err != nil {
				return fmt.Errorf("read a line of another server's log: %w", err)
			}
			l.LogLine.Text = string(l.Text)
			if over, err := pass(l.LogLine, q, line); over || err != nil {
				return err
			}
		}
	})
}

// pass hands on a line, or does what stands between lines; over at the end.
func pass(l server.LogLine, q server.LogQuery, line func(server.LogLine) error) (over bool, err error) {
	switch l.Source {
	case wordEnd:
		return true, nil
	case wordJoined:
		if q.Joined != nil {
			q.Joined()
		}
		return false, nil
	case wordCaught:
		if q.Caught != nil {
			q.Caught()
		}
		return false, nil
	}
	return false, line(l)
}

// ask sends a request by a connection of its own and reads the answer, for as
// long as something comes of it.
func (p *LogPeers) ask(ctx context.Context, addr, method, path string, text []byte, read func(body io.Reader, alive func()) error) error {
	conn, err := p.peers.Dial(ctx, addr, DoorLogs)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // what was to be read was read
	// A connection that is gone says so only when it is read for a while.
	alive := func() { _ = conn.SetReadDeadline(time.Now().Add(quietLimit)) }
	alive()
	t := &http.Transport{DisableKeepAlives: true, DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	r, err := http.NewRequestWithContext(ctx, method, "http://server"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	answer, err := t.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the other server answered %d", answer.StatusCode)
	}
	return read(answer.Body, alive)
}
