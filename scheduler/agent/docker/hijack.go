package docker

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
	"time"

	cerrdefs "github.com/containerd/errdefs"
)

// maxRefusal bounds what is read of the engine's word on why it refuses.
const maxRefusal = 16 << 10

// wire is a connection that the engine has handed over to the streams of a
// process.
type wire struct {
	net.Conn
	r *bufio.Reader // holds what came with the answer
}

func (w *wire) Read(p []byte) (int, error) { return w.r.Read(p) }

// closeInput tells the engine that no more input comes.
func (w *wire) closeInput() {
	if h, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite() // when it fails so does the reading
	}
}

// hijack posts to path and takes over the connection. The client's own way of
// doing it is deaf to deadlines and forgets the engine's reasons.
func (r *Runtime) hijack(ctx context.Context, path string, body any) (*wire, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.StartTimeout)
	defer cancel()
	if err := r.negotiate(ctx); err != nil {
		return nil, err
	}
	var payload bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&payload).Encode(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://docker/v"+r.cli.ClientVersion()+path, &payload)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "tcp")
	conn, err := r.cli.Dialer()(ctx)
	if err != nil {
		return nil, err
	}
	if at, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(at) // a socket takes deadlines
	}
	giveUp := context.AfterFunc(ctx, func() { _ = conn.Close() })
	w, err := upgrade(conn, req)
	if !giveUp() || err != nil {
		_ = conn.Close()
		return nil, errors.Join(ctx.Err(), err)
	}
	return w, conn.SetDeadline(time.Time{})
}

func upgrade(conn net.Conn, req *http.Request) (*wire, error) {
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	w := &wire{Conn: conn, r: bufio.NewReader(conn)}
	resp, err := http.ReadResponse(w.r, req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return w, nil
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	var said struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(text, &said) != nil || said.Message == "" {
		said.Message = fmt.Sprintf("the engine answered %s", resp.Status)
	}
	err = errors.New(said.Message)
	switch resp.StatusCode {
	case http.StatusNotFound:
		return nil, fmt.Errorf("%w: %w", cerrdefs.ErrNotFound, err)
	case http.StatusConflict:
		return nil, fmt.Errorf("%w: %w", cerrdefs.ErrConflict, err)
	}
	return nil, err
}
