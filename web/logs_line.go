package web

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"paas/server"
	"paas/server/api"
)

// logLine is a line as the page shows it; js/logs.js makes the same of its
// JSON as the template does. Columns are filled up with blanks: boxes for each
// would cost a browser more than all else of a line.
type logLine struct {
	Stamp  string  `json:"t"` // RFC 3339, of nanoseconds
	Clock  string  `json:"c"`
	Name   string  `json:"d"`
	Kind   string  `json:"k"` // "app", "router", "paas"
	Level  string  `json:"l,omitempty"`
	Spans  []span  `json:"x,omitempty"`
	Router *routed `json:"r,omitempty"`
	Raw    string  `json:"w,omitempty"` // of what is shown in parts
	Marked bool    `json:"-"`
	Link   string  `json:"-"` // to it and those around it
}

// routed is what the router's line tells about a request.
type routed struct {
	Method  string `json:"m"`
	Path    string `json:"p"`
	Status  string `json:"s"`
	Class   string `json:"c"` // "s2" to "s5"
	Service string `json:"v"` // "    12 ms"; blank when no instance answered
	Problem string `json:"e,omitempty"`
	Dyno    string `json:"d,omitempty"`
}

// logView makes lines of the page; raw leaves the router's lines whole.
type logView struct {
	raw   bool
	today string
}

func newLogView(raw bool, now time.Time) logView {
	return logView{raw, now.UTC().Format(time.DateOnly)}
}

func (lv logView) line(l server.LogLine) logLine {
	at := l.At.UTC()
	out := logLine{Stamp: at.Format(time.RFC3339Nano), Clock: at.Format("15:04:05.000"), Kind: "app", Level: server.LogLevel(l)}
	if at.Format(time.DateOnly) != lv.today {
		out.Clock = at.Format("01-02 15:04:05.000")
	}
	if l.Source != "app" {
		out.Kind = "paas"
	}
	if l.Source == "paas" && l.Dyno == "router" {
		out.Kind = "router"
		if !lv.raw {
			out.Router = routerLine(l.Text)
		}
	}
	name := visible(l.Dyno)
	if out.Kind == "paas" {
		name = "paas[" + name + "]"
	}
	out.Name = fmt.Sprintf("%-11s", name)
	if out.Router != nil {
		l.Text = api.Printable(l.Text, false)
		out.Raw = server.FormatLogLine(l)
		return out
	}
	out.Spans = ansi(l.Text)
	return out
}

// routerLine reads a line of the router; nil when it is none.
func routerLine(text string) *routed {
	if !strings.HasPrefix(text, "at=info ") && !strings.HasPrefix(text, "at=error ") {
		return nil
	}
	f := map[string]string{}
	for rest := text; rest != ""; {
		name, value, ok := strings.Cut(rest, "=")
		if !ok || strings.ContainsAny(name, " \"") {
			return nil
		}
		if quoted, is := strings.CutPrefix(value, `"`); is {
			if value, rest, ok = strings.Cut(quoted, `"`); !ok {
				return nil
			}
			rest = strings.TrimPrefix(rest, " ")
		} else {
			value, rest, _ = strings.Cut(value, " ")
		}
		if _, twice := f[name]; !twice {
			f[name] = value
		}
	}
	status, err := strconv.Atoi(f["status"])
	if err != nil || f["method"] == "" {
		return nil
	}
	r := &routed{Method: fmt.Sprintf("%-6s", visible(f["method"])), Path: visible(f["path"]), Status: strconv.Itoa(status), Dyno: "→ " + visible(f["dyno"])}
	if f["dyno"] == "" {
		r.Dyno = ""
	}
	if status >= 200 && status < 600 {
		r.Class = "s" + strconv.Itoa(status/100)
	}
	if ms, found := strings.CutSuffix(f["service"], "ms"); found {
		r.Service = visible(ms) + " ms"
	}
	r.Service = fmt.Sprintf("%9s", r.Service)
	if f["code"] != "" {
		r.Problem = visible(f["code"] + " " + f["desc"])
	}
	return r
}

// appendJSON appends it as one line of JSON.
func (l logLine) appendJSON(dst []byte) []byte {
	b, err := json.Marshal(l)
	if err != nil { // there is nothing in it that could fail
		return append(dst, "null"...)
	}
	return append(dst, b...)
}
