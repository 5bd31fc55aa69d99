package router

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"sync/atomic"
	"time"
)

// exchange is one request to an app and its answer: the http.ResponseWriter
// towards the client, the http.RoundTripper towards the instance, and the
// memory of both for the log line.
type exchange struct {
	http.ResponseWriter
	router *Router
	in     *http.Request
	client *guardConn // nil on HTTP/2
	route  *route
	host   string // of the table

	start     time.Time
	clientIP  string
	protocol  string // http or https
	requestID string

	ctx    context.Context // ends with the client, the watchdog or the exchange
	cancel context.CancelCauseFunc
	dog    *watchdog

	target  *instance     // counted until finish
	dyno    string        // name of the instance last asked
	release int           // of the instance that took the connection, 0 before
	connect time.Duration // < 0 before there was a connection
	failed  failure       // code "" while all is well
	status  int
	bytes   int64
	tunnel  atomic.Pointer[tunnel] // set once the connection is upgraded

	reading  atomic.Bool // a Read of the client's body is pending
	bodyErr  atomic.Pointer[error]
	bodyDone atomic.Bool
	writing  atomic.Bool // a Write to the client is pending
	answered atomic.Bool // the instance's answer has begun
	writeErr error
	appErr   error // reading the answer failed
}

// errExpired is the cause of a context that the watchdog ended.
type errExpired struct{ code string }

func (e errExpired) Error() string { return "no byte moved in time: " + e.code }

func (r *Router) newExchange(w http.ResponseWriter, req *http.Request, rt *route, host, id string) *exchange {
	x := &exchange{
		ResponseWriter: w, router: r, in: req, client: guardOf(req), route: rt, host: host,
		start: time.Now(), clientIP: clientIP(req), protocol: protocolOf(req.TLS), requestID: id, connect: -1,
	}
	x.bodyDone.Store(req.Body == nil || req.Body == http.NoBody)
	return x
}

func clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func protocolOf(state *tls.ConnectionState) string {
	if state != nil {
		return "https"
	}
	return "http"
}

// forward streams the request to an instance and the answer back. It panics
// with http.ErrAbortHandler when the answer broke off, which makes net/http
// end the connection (or stream) in a way the client cannot take for success.
func (x *exchange) forward() {
	x.ctx, x.cancel = context.WithCancelCause(x.in.Context())
	defer x.cancel(nil)
	x.dog = newWatchdog(x.router.cfg.Limits.Idle, x.expire)
	req := x.in.WithContext(x.ctx)
	if !x.bodyDone.Load() {
		req.Body = &clientBody{ReadCloser: x.in.Body, x: x}
		// Without it net/http would read the rest of the body before it
		// sends the first byte of an answer. HTTP/2 needs no asking.
		_ = http.NewResponseController(x.ResponseWriter).EnableFullDuplex()
	}
	proxy := httputil.ReverseProxy{
		Rewrite: x.rewrite, Transport: x, ModifyResponse: x.received, ErrorHandler: x.fail,
		FlushInterval: -1, BufferPool: x.router.buffers, ErrorLog: x.router.proxyLog,
	}
	defer func() {
		broken := recover()
		x.finish(broken)
		if broken != nil {
			panic(broken)
		}
	}()
	proxy.ServeHTTP(x, req)
}

// finish gives everything back and writes the log line.
func (x *exchange) finish(broken any) {
	x.dog.stop()
	tunnel := x.tunnel.Load()
	if tunnel != nil {
		tunnel.end()
		x.bytes = tunnel.bytes.Load()
	}
	if x.target != nil {
		x.router.fleet.release(x.target)
	}
	if !x.bodyDone.Load() && x.client != nil && tunnel == nil {
		x.client.stopReading() // what remains of the body must not be read as a request
	}
	if broken != nil && x.client != nil && !x.in.ProtoAtLeast(1, 1) {
		x.client.reset() // for HTTP/1.0 the end of the connection can be the end of the answer
	}
	var expired errExpired
	if x.failed.code == "" && (broken != nil || errors.As(context.Cause(x.ctx), &expired)) {
		x.failed = x.whyBroken()
	}
	x.log()
}

// whyBroken names the failure of an answer that had begun.
func (x *exchange) whyBroken() failure {
	var expired errExpired
	switch {
	case errors.As(context.Cause(x.ctx), &expired):
		return failureOf(expired.code)
	case errors.Is(x.writeErr, os.ErrDeadlineExceeded):
		return failureOf("H28")
	case x.in.Context().Err() != nil, x.writeErr != nil:
		return failureOf("H27")
	case x.appErr != nil:
		return failureOf("H18")
	}
	return failureOf("H99")
}

func (x *exchange) log() {
	e := logEntry{
		failure: x.failed, method: x.in.Method, path: x.in.URL.RequestURI(), host: x.host, requestID: x.requestID,
		dyno: x.dyno,
		fwd:  x.clientIP, connect: x.connect, service: -1, status: x.status, bytes: x.bytes, protocol: x.protocol,
	}
	if x.in.RequestURI != "" && x.in.URL.Host == "" {
		e.path = x.in.RequestURI
	}
	if x.connect >= 0 {
		e.service = time.Since(x.start)
	}
	if x.failed.code != "" {
		e.status = x.failed.status
	}
	now := time.Now()
	x.router.cfg.Log(x.route.appID, now, e.line())
	o := Observation{AppID: x.route.appID, Release: x.release, Status: e.status, Code: e.failure.code, Service: e.service, Bytes: e.bytes, At: now}
	if o.Code == "H27" {
		o.Status = 0
	}
	x.router.cfg.Observe(o)
}

// expire ends an exchange in which no byte moved for Limits.Idle. Who is to
// blame is who was waited for.
func (x *exchange) expire() {
	code := "H12"
	switch {
	case x.writing.Load(), x.reading.Load() && !x.answered.Load():
		code = "H28"
	case x.answered.Load():
		code = "H15"
	}
	x.cancel(errExpired{code})
	if t := x.tunnel.Load(); t != nil {
		t.force()
		return
	}
	rc := http.NewResponseController(x.ResponseWriter)
	past := time.Unix(1, 0)
	switch {
	case x.client == nil && x.answered.Load():
		_ = rc.SetWriteDeadline(past) // resets the stream
	case x.client == nil:
		_ = rc.SetReadDeadline(past)
	case x.writing.Load():
		x.client.stopWriting()
	case x.reading.Load():
		x.client.stopReading()
	}
}

// Unwrap lets http.ResponseController find Flush.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader remembers the status for the log line.
func (x *exchange) WriteHeader(status int) {
	if status >= 200 {
		x.status = status
		if x.client != nil && x.client.final {
			x.Header().Set("Connection", "close")
		}
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(p []byte) (int, error) {
	x.writing.Store(true)
	n, err := x.ResponseWriter.Write(p)
	x.writing.Store(false)
	x.dog.touch()
	x.bytes += int64(n)
	if err != nil {
		x.writeErr = err
	}
	return n, err
}

// clientBody is the request's body on its way to the instance.
type clientBody struct {
	io.ReadCloser
	x *exchange
}

func (b *clientBody) Read(p []byte) (int, error) {
	b.x.reading.Store(true)
	n, err := b.ReadCloser.Read(p)
	b.x.reading.Store(false)
	b.x.dog.touch()
	switch {
	case errors.Is(err, io.EOF):
		b.x.bodyDone.Store(true)
	case err != nil:
		b.x.bodyErr.CompareAndSwap(nil, &err)
	}
	return n, err
}

// appBody is the answer's body on its way to the client.
type appBody struct {
	io.ReadCloser
	x *exchange
}

func (b *appBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.x.dog.touch()
	if err != nil && !errors.Is(err, io.EOF) {
		b.x.appErr = err
	}
	return n, err
}
