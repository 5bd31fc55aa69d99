package server

import (
	"regexp"
	"slices"
	"strings"

	"paas/server/api"
)

// IsLogLevel says whether level is one that a query may choose; empty is any.
func IsLogLevel(level string) bool {
	return level == "" || level == "error" || level == "warn" || level == "info"
}

// levelHead is how much of a line is looked at for its level: loggers name it
// near the start.
const levelHead = 300

// How loggers name a level: as a field (level=warn, "severity":"ERROR"), at the
// start of the text ("[error]", "panic:", "TypeError: "), as a word in capitals;
// and how the platform's own lines say it. Names are whole words, so "errors: 0"
// and "information" tell nothing.
var (
	levelField = regexp.MustCompile(`(?i)\b(?:level|lvl|severity|loglevel)"?\s*[=:]\s*"?(?:` +
		`(?P<error>(?:err|error|fatal|crit|critical|panic|alert|emerg|emergency|[56]0)\b)|(?P<warn>(?:warn|warning|40)\b)|` +
		`(?P<info>(?:info|information|notice|30)\b)|(?P<other>[a-z]+|[12]0\b))`)
	levelStart = regexp.MustCompile(`^[^A-Za-z]*(?:` +
		`(?P<error>(?i:error|fatal(?: error)?|panic|critical|uncaught)[\]: ]|[A-Za-z_.]*(?:Error|Exception): |Traceback \(most recent call last\)|Exception in thread )|` +
		`(?P<warn>(?i:warn|warning)[\]: ])|(?P<info>(?i:info|notice)[\]:]))`)
	levelWord = regexp.MustCompile(`\b(?:(?P<error>ERR|ERROR|FATAL|CRIT|CRITICAL|PANIC|SEVERE)|(?P<warn>WARN|WARNING)|(?P<info>INFO|NOTICE)|(?P<other>DEBUG|TRACE))\b`)
	levelOurs = regexp.MustCompile(`^(?:(?P<error>at=error |Error [A-Z][0-9]+ |State changed from [a-z]+ to crashed|Process exited with status [1-9])|` +
		`(?P<info>at=info |State changed |Starting process |Stopping ))`)
	serverFail = regexp.MustCompile(` status=5[0-9][0-9] `)
)

// LogLevel guesses how grave a line is from its text: "error", "warn", "info",
// or empty when it does not say so.
func LogLevel(l LogLine) string {
	head := l.Text
	if len(head) > levelHead {
		head = head[:levelHead]
	}
	if strings.IndexByte(head, 0x1b) >= 0 {
		head = api.Printable(head, false)
	}
	if l.Source == "paas" {
		if l.Dyno == "router" && serverFail.MatchString(l.Text) {
			return "error"
		}
		level, _ := levelBy(levelOurs, head)
		return level
	}
	low := strings.ToLower(head)
	if !containsAny(low, "err", "warn", "info", "notice", "fatal", "panic", "crit", "severe", "exception", "traceback", "uncaught", "level", "lvl", "severity") {
		return "" // most lines: the patterns cost more than all else that is done with a line
	}
	for _, re := range []*regexp.Regexp{levelField, levelStart, levelWord} {
		if level, found := levelBy(re, head); found {
			return level
		}
	}
	return ""
}

func containsAny(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

// levelBy is the name of the group that matched; "other" is none of ours.
func levelBy(re *regexp.Regexp, text string) (level string, found bool) {
	at := re.FindStringSubmatchIndex(text)
	for i, name := range re.SubexpNames() {
		if 2*i >= len(at) || name == "" || at[2*i] < 0 {
			continue
		}
		if name == "other" {
			return "", true
		}
		return name, true
	}
	return "", false
}
