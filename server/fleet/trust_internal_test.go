package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// Three bytes of a message are not hundreds in memory without end.
func TestListsAreBounded(t *testing.T) {
	text := []byte("[" + strings.Repeat("{},", maxBody/3-2) + "{}]")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var list few[agent.Status]
	if err := json.Unmarshal(text, &list); err == nil || !strings.Contains(err.Error(), "entries") {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8*maxBody {
		t.Errorf("%d bytes of a message take %d", len(text), used)
	}
	text = []byte(`[{"ID":"a","Layer":{"Paths":[{"path":"/x","bytes":1},` + strings.Repeat("{},", maxBody/3-100) + `{}]}}]`)
	runtime.ReadMemStats(&before)
	if err := json.Unmarshal(text, &list); err != nil || len(list[0].Layer.Paths) != 1 || list[0].Layer.Paths[0] != (agent.Written{Path: "/x", Bytes: 1}) {
		t.Errorf("%+v %v", list, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8*maxBody {
		t.Errorf("%d bytes about one instance take %d", len(text), used)
	}
	for in, want := range map[string]int{`[]`: 0, `null`: 0, `[{"ID":"a"},{"ID":"b"}]`: 2} {
		if err := json.Unmarshal([]byte(in), &list); err != nil || len(list) != want {
			t.Errorf("%s: %d, %v", in, len(list), err)
		}
	}
	if err := json.Unmarshal([]byte(`{"ID":"a"}`), &list); err == nil {
		t.Error("a list that is none is taken")
	}
}

func TestStatusesArePlain(t *testing.T) {
	got := plainStatuses([]agent.Status{{Reason: "a\x00b\x1b[2J\xff" + strings.Repeat("é", maxReason), Notes: "one\ntwo", ExitCode: math.MaxInt}})[0]
	if !strings.HasPrefix(got.Reason, "ab[2Jé") || len(got.Reason) > maxReason || got.Notes != "one\ntwo" || got.ExitCode != math.MaxInt32 {
		t.Errorf("%.20q of %d bytes, %q, %d", got.Reason, len(got.Reason), got.Notes, got.ExitCode)
	}
}

// However often a report names an instance, its newest words count, and no more
// of them than are worth a transaction.
func TestReportsNameAnInstanceAFewTimes(t *testing.T) {
	var list []agent.Status
	for i := range 1000 {
		list = append(list, agent.Status{ID: "often", ExitCode: i})
	}
	list = append(list, agent.Status{ID: "once"})
	got := newest(list)
	if len(got) != maxOfOne+1 || got[0].ExitCode != 1000-maxOfOne || got[maxOfOne-1].ExitCode != 999 || got[maxOfOne].ID != "once" {
		t.Errorf("%d: %+v", len(got), got)
	}
}

func TestFiguresOfOtherTimes(t *testing.T) {
	now := time.Now()
	for at, want := range map[time.Time]bool{now: true, now.Add(-time.Minute): true, now.Add(-2 * time.Hour): false, now.AddDate(100, 0, 0): false, {}: false} {
		if timely(at, now) != want {
			t.Errorf("%s: %v", at, !want)
		}
	}
}

// A host cannot send the router to what only the control plane reaches.
func TestAddressesOfTheControlPlane(t *testing.T) {
	far, near := netip.MustParseAddr("10.9.8.7"), netip.MustParseAddr("127.0.0.1")
	for _, c := range []struct {
		addr, from netip.Addr
		want       bool
	}{{far, far, true}, {far, near, true}, {near, near, true}, {near, far, false}, {netip.MustParseAddr("::1"), far, false}} {
		if err := mayPublishOn(c.addr, c.from); (err == nil) != c.want {
			t.Errorf("%s from %s: %v", c.addr, c.from, err)
		}
	}
}

// Who has one IPv6 address has a whole network of them.
func TestWhoseLimit(t *testing.T) {
	for in, want := range map[string]string{"192.0.2.7:1": "192.0.2.7", "[::ffff:192.0.2.7]:1": "192.0.2.7",
		"[2001:db8::1]:1": "2001:db8::/64", "[2001:db8::ffff:2]:9": "2001:db8::/64", "[fe80::1%eth0]:9": "fe80::/64"} {
		if got := whoseLimit(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// Strangers do not take the places of hosts, and do not stay.
func TestStrangersLeaveRoom(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := newBounded(ln, 100, 32) // of one address 4 may be strangers
	b.patience = 200 * time.Millisecond
	t.Cleanup(func() { _ = b.Close() })
	accepted := make(chan *boundedConn, 100)
	go func() {
		for {
			c, err := b.Accept()
			if err != nil {
				return
			}
			accepted <- c.(*boundedConn)
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	host := dial()
	(<-accepted).known()
	var strangers []net.Conn
	for range 4 {
		strangers = append(strangers, dial())
		defer (<-accepted).Close()
	}
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("a fifth stranger is served")
	}
	for _, c := range strangers {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a stranger stays:", err)
		}
	}
	_ = host.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := host.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the host was sent away:", err)
	}
}

// A host or a control plane whose clock is an hour off is still known: by what
// was issued just now, and by what will be renewed last.
func TestCertificatesAndClocks(t *testing.T) {
	text, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	auth, err := OpenAuthority(text)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := auth.certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := auth.member(roleHost, "h", &key.PublicKey, leafLife)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, c := range map[string]*x509.Certificate{"the control plane's": mine.Leaf, "a host's": theirs} {
		for _, at := range []time.Time{now.Add(-time.Hour), now.Add(-90 * time.Minute), now, now.Add(time.Hour), now.Add(leafLife / 2).Add(time.Hour)} {
			if _, err := c.Verify(x509.VerifyOptions{Roots: auth.pool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
				t.Errorf("%s certificate, %s from now: %v", name, at.Sub(now), err)
			}
		}
	}
}
