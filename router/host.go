package router

import (
	"net/netip"
	"strings"
)

// normalHost turns a Host header into the key of the table: lower case, no
// port, no trailing dot. ok is false for what no app can be called; the result
// holds only letters, digits, '.', '-', '_' or is a bracketed IPv6 address, so
// it is safe in a log line and on a page.
func normalHost(s string) (host string, ok bool) {
	if strings.HasPrefix(s, "[") {
		return normalIPv6(s)
	}
	host, port, hasPort := strings.Cut(s, ":")
	if hasPort && !isPort(port) {
		return "", false
	}
	if strings.Contains(host, "..") {
		return "", false
	}
	host = strings.TrimSuffix(host, ".")
	if host == "" || len(host) > 253 || host[0] == '.' {
		return "", false
	}
	for i := range len(host) {
		if !isHostByte(host[i]) {
			return "", false
		}
	}
	return strings.ToLower(host), true
}

// normalPattern is normalHost for the host of a route, which may be a wildcard.
func normalPattern(s string) (string, bool) {
	base, wild := strings.CutPrefix(s, "*.")
	host, ok := normalHost(base)
	if wild && ok && host[0] != '[' {
		host = "*." + host
	}
	return host, ok
}

func normalIPv6(s string) (string, bool) {
	inside, rest, ok := strings.Cut(s[1:], "]")
	if !ok {
		return "", false
	}
	if rest != "" && (rest[0] != ':' || !isPort(rest[1:])) {
		return "", false
	}
	addr, err := netip.ParseAddr(inside)
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", false
	}
	return "[" + addr.String() + "]", true
}

func isHostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_'
}

// isPort accepts an empty port, as RFC 3986 does ("example.com:").
func isPort(s string) bool {
	if len(s) > 5 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// hostPort is the port a Host header names, or "".
func hostPort(s string) string {
	port := s[strings.LastIndexByte(s, ':')+1:]
	if len(port) == len(s) || port == "" || !isPort(port) {
		return ""
	}
	return port
}
