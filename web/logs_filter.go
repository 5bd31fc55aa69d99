package web

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"paas/server"
	"paas/server/api"
)

const (
	pageOfLines  = 200  // shown unless asked for otherwise
	maxPageLines = 1500 // as many as Heroku keeps
)

// logFilter is what somebody wants to see of a log, as the form on the page
// and its permalink say it.
type logFilter struct {
	Source  string // "app", "paas" or "router"
	Process string // "web" or "web.1"
	Level   string // "error", "warn", "info"
	Text    string // a text in any case, or "/pattern/", "/pattern/i"
	Since   string
	Until   string
	At      string // a time: the lines around it
	Lines   int
	Raw     bool // lines as they are
}

func logFilterOf(v url.Values) logFilter {
	f := logFilter{Source: v.Get("source"), Process: strings.TrimSpace(v.Get("ps")), Level: v.Get("level"), Text: v.Get("q"), Since: strings.TrimSpace(v.Get("since")),
		Until: strings.TrimSpace(v.Get("until")), At: strings.TrimSpace(v.Get("at")), Raw: v.Get("raw") != "", Lines: pageOfLines}
	if n, err := strconv.Atoi(v.Get("n")); err == nil {
		f.Lines = min(max(n, 1), maxPageLines)
	}
	return f
}

// values is the query that says the same, without what is said by default.
func (f logFilter) values() url.Values {
	v := url.Values{}
	set := func(name, value, usual string) {
		if value != usual {
			v.Set(name, value)
		}
	}
	set("source", f.Source, "")
	set("ps", f.Process, "")
	set("level", f.Level, "")
	set("q", f.Text, "")
	set("since", f.Since, "")
	set("until", f.Until, "")
	set("at", f.At, "")
	set("n", strconv.Itoa(f.Lines), strconv.Itoa(pageOfLines))
	if f.Raw {
		v.Set("raw", "1")
	}
	return v
}

// around is the query for the lines around a moment, without the moment.
func (f logFilter) around() string {
	f.Since, f.Until, f.At = "", "", ""
	if q := f.values().Encode(); q != "" {
		return "?" + q + "&at="
	}
	return "?at="
}

// live says whether new lines belong to it.
func (f logFilter) live() bool { return f.Until == "" && f.At == "" }

// pattern is the expression in "/pattern/" or "/pattern/i".
func (f logFilter) pattern() (pattern string, fold, ok bool) {
	rest, ok := strings.CutPrefix(f.Text, "/")
	if !ok {
		return "", false, false
	}
	if p, ok := strings.CutSuffix(rest, "/i"); ok && p != "" {
		return p, true, true
	}
	p, ok := strings.CutSuffix(rest, "/")
	return p, false, ok && p != ""
}

// request asks for it as a client of the API would.
func (f logFilter) request() (api.LogSessionRequest, error) {
	in := api.LogSessionRequest{Source: f.Source, Dyno: f.Process, Level: f.Level, Since: f.Since, Until: f.Until, Lines: &f.Lines}
	if f.Source == "router" {
		if f.Process != "" {
			return in, server.Errorf(server.ErrInvalid, "The router's lines belong to no process: choose another source or leave the process empty.")
		}
		in.Source, in.Dyno = "", "router"
	}
	in.Text, in.IgnoreCase = f.Text, f.Text != ""
	if p, fold, ok := f.pattern(); ok {
		in.Text, in.Pattern, in.IgnoreCase = "", p, fold
	}
	return in, nil
}

// query is f for the platform. Times are UTC when they name no zone.
func (f logFilter) query(now time.Time) (server.LogQuery, error) {
	in, err := f.request()
	if err != nil {
		return server.LogQuery{}, err
	}
	in.Since, in.Until = zoned(in.Since), zoned(in.Until)
	return server.ParseLogQuery(in, now)
}

// zoned reads a time without a zone, as people write it, as UTC: so are the
// times on the page.
func zoned(s string) string {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04", "2006-01-02 15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format(time.RFC3339Nano)
		}
	}
	return s
}

// cli is the command that shows the same.
func (f logFilter) cli(app string) string {
	args := []string{"paas", "logs"}
	add := func(flag, value string) {
		if value != "" {
			args = append(args, flag, shellWord(value))
		}
	}
	switch {
	case f.Source == "router":
		add("-d", "router")
	case strings.Contains(f.Process, "."):
		add("-d", f.Process)
	default:
		add("-p", f.Process)
	}
	if f.Source != "router" {
		add("-s", f.Source)
	}
	add("--level", f.Level)
	if p, fold, ok := f.pattern(); ok {
		add("--regex", p)
		if fold {
			args = append(args, "-i")
		}
	} else if f.Text != "" {
		add("-g", f.Text)
		args = append(args, "-i")
	}
	add("--since", zoned(f.Since))
	add("--until", zoned(f.Until))
	args = append(args, "-n", strconv.Itoa(f.Lines))
	if f.live() {
		args = append(args, "--tail")
	}
	return strings.Join(append(args, "-a", app), " ")
}

// shellWord is s as a shell reads it back, whatever it holds.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/=+,@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
