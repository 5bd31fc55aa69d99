package server

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The kinds of drain, which are the schemes of their URLs.
const (
	DrainSyslog    = "syslog"
	DrainSyslogTLS = "syslog+tls"
	DrainHTTPS     = "https"
)

const maxDrainURL = 2048 // bytes

var (
	drainHost = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9.])?$`)
	// closedPorts are those of services that could be made to obey log lines,
	// or that are nobody's log collector.
	closedPorts = []int{0, 1, 7, 9, 13, 19, 21, 22, 23, 25, 53, 110, 143, 389, 465, 587, 993, 995, 2375, 2376}
)

// DrainURL is a drain's address, taken apart.
type DrainURL struct {
	Kind string // the scheme
	Host string // name or IP address without brackets
	Port int
	URL  *url.URL
}

// Addr is "host:port", for dialing.
func (d DrainURL) Addr() string { return net.JoinHostPort(d.Host, strconv.Itoa(d.Port)) }

// ParseDrainURL reads a drain's URL: syslog://host:port, syslog+tls://host:port
// or https://[user:password@]host[:port]/path?query. The error is made for
// people and holds nothing of the URL but its scheme, host and port.
func ParseDrainURL(raw string) (DrainURL, error) {
	const forms = "A drain is syslog://host:port, syslog+tls://host:port or https://host/path"
	bad := func(format string, args ...any) (DrainURL, error) {
		return DrainURL{}, &Error{ID: ErrInvalid, Message: fmt.Sprintf(format, args...) + " No drain was added.", Next: forms + "."}
	}
	if len(raw) > maxDrainURL {
		return bad("The URL is longer than %d bytes.", maxDrainURL)
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return bad("The URL holds characters that must be escaped.")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return bad("That is not a URL with a host.")
	}
	d := DrainURL{Kind: u.Scheme, Host: u.Hostname(), URL: u}
	switch d.Kind {
	case DrainHTTPS:
		d.Port = 443
	case DrainSyslogTLS:
		d.Port = 6514
	case DrainSyslog:
		d.Port = 514
	case "http":
		return bad("Lines are not sent over plain http: whoever is on the way could read them. Use https.")
	default:
		return bad("Drains of the scheme %q are not known.", short(d.Kind, 20))
	}
	if p := u.Port(); p != "" {
		if d.Port, err = strconv.Atoi(p); err != nil || d.Port < 1 || d.Port > 65535 {
			return bad("The port %s is none.", short(p, 10))
		}
	}
	switch {
	case slices.Contains(closedPorts, d.Port):
		return bad("Nothing is sent to port %d: no log collector listens there.", d.Port)
	case net.ParseIP(d.Host) == nil && !drainHost.MatchString(d.Host):
		return bad("The host %q is no host name or IP address.", short(d.Host, 60))
	case u.Fragment != "":
		return bad("The URL has a fragment (#), which is never sent.")
	case d.Kind != DrainHTTPS && (u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != ""):
		return bad("A syslog drain has a host and a port, nothing else.")
	}
	return d, nil
}

func short(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// MaskDrainURL is a drain's URL as it may be shown: without user name,
// password and the values of its query, any of which may be a secret.
func MaskDrainURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable)"
	}
	const stars = "****"
	user := ""
	if u.User != nil {
		user = stars + "@"
		if _, ok := u.User.Password(); ok {
			user = stars + ":" + stars + "@"
		}
	}
	query := ""
	for _, pair := range strings.Split(u.RawQuery, "&") {
		key, _, valued := strings.Cut(pair, "=")
		if pair == "" {
			continue
		}
		if !valued {
			key = stars
		} else {
			key += "=" + stars
		}
		query += "&" + key
	}
	if query != "" {
		query = "?" + query[1:]
	}
	return u.Scheme + "://" + user + u.Host + u.EscapedPath() + query
}
