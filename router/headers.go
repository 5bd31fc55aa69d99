package router

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// viaName stands in the Via header of requests and answers.
const viaName = "1.1 paas-router"

// stripForwarding removes every header with which a client could lie about
// where it comes from. Names with '_' go too: CGI-like servers (WSGI, Rack,
// PHP) cannot tell X_Forwarded_For from X-Forwarded-For.
func stripForwarding(h http.Header) {
	for name := range h {
		plain := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
		if isForwarding(plain) || plain != strings.ToLower(name) && isFraming(plain) {
			delete(h, name)
		}
	}
}

func isForwarding(name string) bool {
	switch name {
	case "forwarded", "x-forwarded", "x-real-ip", "x-request-start", "x-request-id",
		"proxy": // CGI makes it HTTP_PROXY ("httpoxy")
		return true
	}
	return strings.HasPrefix(name, "x-forwarded-")
}

func isFraming(name string) bool {
	switch name {
	case "content-length", "transfer-encoding", "host", "connection", "upgrade", "trailer", "te":
		return true
	}
	return false
}

// setForwarding adds what Heroku's router tells an app about the request.
func setForwarding(h http.Header, x *exchange) {
	h.Set("X-Forwarded-For", x.clientIP)
	h.Set("X-Forwarded-Proto", x.protocol)
	port := hostPort(x.in.Host)
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[x.protocol]
	}
	h.Set("X-Forwarded-Port", port)
	h.Set("X-Request-Id", x.requestID)
	h.Set("X-Request-Start", strconv.FormatInt(x.start.UnixMilli(), 10))
	addVia(h)
}

func addVia(h http.Header) {
	via := append(h["Via"], viaName)
	h.Set("Via", strings.Join(via, ", "))
}

// requestID keeps the client's id when it is one harmless word, so that a
// request can be followed through several services; otherwise it makes one.
func requestID(h http.Header) string {
	if ids := h["X-Request-Id"]; len(ids) == 1 && saneRequestID(ids[0]) {
		return ids[0]
	}
	return newUUID()
}

func saneRequestID(s string) bool {
	if len(s) < 20 || len(s) > 200 {
		return false
	}
	for i := range len(s) {
		if !isHostByte(s[i]) {
			return false
		}
	}
	return true
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
