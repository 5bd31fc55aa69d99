package router

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// connectError is a connection to an instance that did not come about: nothing
// was sent, so another instance may be asked.
type connectError struct{ err error }

func (e *connectError) Error() string { return "connect: " + e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// errNoInstance carries the code of a request for which there was none to ask.
type errNoInstance struct{ code string }

func (e errNoInstance) Error() string { return "no instance: " + e.code }

// errGone is a connection that was not even tried.
var errGone = errors.New("the instance has left the routing table")

// longGone is after how long of being gone no new connection to an instance is
// tried. Who picked it just before it left connects within less.
const longGone = time.Second

// newPool makes the transport of one instance; reuse says whether connections
// are kept. http.Transport itself repeats a request whose kept connection
// broke; when the machine behind it died the instance is long gone by then, and
// waiting for its silence once more would be for nothing.
func newPool(l Limits, reuse bool, longGone func() bool) *http.Transport {
	dialer := newDialer(l)
	idle := l.MaxInFlight
	if !reuse {
		// Not DisableKeepAlives: that says "Connection: close" to the app, and
		// net/http apps then close with the rest of an unread body in their
		// buffer. The reset that follows takes the answer away from us (H13).
		idle = -1
	}
	return &http.Transport{
		Proxy: nil, // never by way of an environment variable
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if longGone() {
				return nil, &connectError{errGone}
			}
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, &connectError{err}
			}
			return c, nil
		},
		DisableCompression:     true, // bodies pass as they are
		MaxIdleConnsPerHost:    idle,
		IdleConnTimeout:        l.AppKeepAlive,
		ResponseHeaderTimeout:  l.FirstByte,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: int64(l.MaxAppHeaderBytes),
	}
}

// rewrite makes the request that the app sees.
func (x *exchange) rewrite(pr *httputil.ProxyRequest) {
	in, out := pr.In, pr.Out
	// A fresh URL: an absolute-form request could bring user info, which the
	// transport would turn into an Authorization header. The query goes as the
	// client sent it; nothing here reads it, and apps know "a;b".
	out.URL = &url.URL{
		Scheme: "http", Host: "instance", Path: in.URL.Path, RawPath: in.URL.RawPath,
		RawQuery: in.URL.RawQuery, ForceQuery: in.URL.ForceQuery,
	}
	out.Host = in.Host
	stripForwarding(out.Header)
	setForwarding(out.Header, x)
	if strings.Contains(strings.ToLower(in.Header.Get("Upgrade")), "h2c") {
		// An app that agreed would speak HTTP/2 with the client past all of
		// the above. Clients treat such an offer as declined.
		out.Header.Del("Upgrade")
		out.Header.Del("Connection")
	}
	out.Header.Del("Http2-Settings")
	if !in.ProtoAtLeast(1, 1) || x.bodyDone.Load() {
		out.Header.Del("Expect") // such a client cannot take a "100 Continue"
	}
}

// RoundTrip asks instances until one takes the connection. Once it did, the
// request is never given to another one.
func (x *exchange) RoundTrip(out *http.Request) (*http.Response, error) {
	limits := x.router.cfg.Limits
	giveUp := time.Now().Add(limits.ConnectTotal)
	var tried []*instance
	var last error
	for len(tried) < limits.MaxAttempts && (last == nil || time.Now().Before(giveUp)) {
		in, code := x.router.fleet.acquire(x.host, tried, out.Header.Get("Upgrade") != "")
		if in == nil && last != nil {
			break
		}
		if in == nil {
			return nil, errNoInstance{code}
		}
		x.target, x.dyno = in, in.target.Name
		resp, err := x.attempt(in, out)
		var refused *connectError
		if err == nil || !errors.As(err, &refused) || x.ctx.Err() != nil {
			if x.connect >= 0 {
				x.release = in.target.Release
			}
			return resp, err
		}
		x.router.fleet.shun(in)
		tried, last = append(tried, in), err
		x.router.log.Debug("instance took no connection", "app", x.route.app, "instance", in.target.ID, "err", err)
		x.target = nil
		x.router.fleet.release(in)
	}
	return nil, last
}

// attempt sends the request to one instance.
//
// Connections are reused only for requests that may be repeated: a kept
// connection can be closed by the app at the very moment it is used, and only
// a request without a body and with a safe method is then sent once more (by
// http.Transport, when no byte of an answer came). All others get a fresh one.
func (x *exchange) attempt(in *instance, out *http.Request) (*http.Response, error) {
	began := time.Now()
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		x.connect = time.Since(began)
		x.dog.touch()
	}}
	req := out.WithContext(httptrace.WithClientTrace(out.Context(), trace))
	target := *out.URL
	target.Host = in.target.Addr
	req.URL = &target
	if out.Body == nil && repeatable(out.Method) {
		return in.pool.RoundTrip(req)
	}
	if out.Body != nil {
		req.Body = keepOpen{Reader: out.Body, atEOF: x.copyTrailers(out.Trailer)}
	}
	return x.router.fresh.RoundTrip(req)
}

func repeatable(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// keepOpen is a body that survives a failed attempt, for the next one: the
// transport closes what it was given even when it read nothing.
type keepOpen struct {
	io.Reader
	atEOF func()
}

func (k keepOpen) Close() error { return nil }

func (k keepOpen) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		k.atEOF()
	}
	return n, err
}

// copyTrailers carries the client's trailers over. net/http fills them into
// the incoming request when its body ends, just before the transport writes
// those of the outgoing one.
func (x *exchange) copyTrailers(to http.Header) func() {
	return func() {
		for name := range to {
			if v, ok := x.in.Trailer[name]; ok {
				to[name] = v
			}
		}
	}
}

// received sees the head of the answer before the client does.
func (x *exchange) received(resp *http.Response) error {
	x.answered.Store(true)
	x.dog.touch()
	addVia(resp.Header)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = &appBody{ReadCloser: resp.Body, x: x}
	} else if both, ok := resp.Body.(io.ReadWriteCloser); ok {
		resp.Body = appTunnel{both}
	}
	return nil
}

// fail ends a request that got no answer from an instance.
func (x *exchange) fail(_ http.ResponseWriter, _ *http.Request, err error) {
	x.failed = x.whyFailed(err)
	x.router.log.Debug("request failed", "app", x.route.app, "code", x.failed.code, "err", err)
	if x.tunnel.Load() != nil {
		return // the connection is not HTTP any more, and is about to close
	}
	if x.failed.code == "H27" {
		panic(http.ErrAbortHandler)
	}
	clear(x.Header())
	if x.client != nil && !x.bodyDone.Load() {
		x.client.final = true
	}
	x.router.writePage(x, x.in, x.failed, x.route.page(x.failed), x.route.app, x.requestID)
}

func (x *exchange) whyFailed(err error) failure {
	var (
		expired errExpired
		none    errNoInstance
		refused *connectError
		network net.Error
	)
	switch {
	case errors.As(context.Cause(x.ctx), &expired):
		return failureOf(expired.code)
	case x.in.Context().Err() != nil:
		return failureOf("H27")
	case errors.As(err, &none) && none.code == "":
		return x.router.cfg.noSuchApp()
	case errors.As(err, &none):
		return failureOf(none.code)
	case errors.As(err, &refused):
		if errors.As(err, &network) && network.Timeout() {
			return failureOf("H19")
		}
		return failureOf("H21")
	case x.bodyErr.Load() != nil:
		return bodyFailure(*x.bodyErr.Load())
	case errors.As(err, &network) && network.Timeout():
		return failureOf("H12")
	case isMalformed(err):
		return failureOf("H17")
	}
	return failureOf("H13")
}

// bodyFailure tells a client that left in the middle of its body from one that
// sent nonsense.
func bodyFailure(err error) failure {
	var network net.Error
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network) {
		return failureOf("H27")
	}
	return failureOf("H26")
}

// isMalformed recognizes answers that net/http could not parse. It has no
// error types for them.
func isMalformed(err error) bool {
	text := err.Error()
	for _, sign := range []string{
		"malformed", "unsupported transfer encoding", "too many transfer encodings", "Content-Length",
		"response headers exceeded", "invalid header", "switch protocol", "switch to invalid protocol",
	} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}
