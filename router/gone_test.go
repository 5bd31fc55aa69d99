package router

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// http.Transport repeats a request whose kept connection broke. When its
// instance left the table long ago, because its machine died, that must not
// cost another connect timeout: the next instance is asked at once.
func TestNoNewConnectionToAnInstanceLongGone(t *testing.T) {
	var asked atomic.Int64
	target, _ := newApp(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			_, _ = io.WriteString(w, "kept")
			return
		}
		panic(http.ErrAbortHandler) // the connection ends without an answer
	})
	l := Limits{}
	l.setDefaults()
	in := newInstance(target, l)
	get := func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+target.Addr+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := in.pool.RoundTrip(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.Body.Close()
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	in.goneAt.Store(time.Now().Add(-2 * longGone).UnixNano())
	var refused *connectError
	if err := get(); !errors.As(err, &refused) || !errors.Is(err, errGone) {
		t.Fatalf("the repeated request: %v", err)
	}
	if n := asked.Load(); n != 2 {
		t.Fatalf("the instance was asked %d times", n)
	}
}
