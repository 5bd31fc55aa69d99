package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"paas/scheduler/agent"
	"paas/server"
)

// How much of what a host says is listened to. An agent of ours says less.
const (
	maxItems    = 20_000 // of a list in one message
	maxStatuses = 1000   // each is a transaction
	maxOfOne    = 8      // of them of one instance; an agent of ours has two or three
	maxReason   = 4 << 10
	oldUsage    = time.Hour // figures of other times would be kept for minutes that nobody asks for
	aheadUsage  = 10 * time.Minute
)

// few is a list as a host sends it. What takes three bytes in a message takes
// hundreds in memory, so its length is bounded while it is read.
type few[T any] []T

// UnmarshalJSON is json.Unmarshaler.
func (f *few[T]) UnmarshalJSON(text []byte) error {
	*f = nil
	d := json.NewDecoder(bytes.NewReader(text))
	open, err := d.Token()
	if err != nil || open == nil {
		return err
	}
	if open != json.Delim('[') {
		return fmt.Errorf("a list begins with %v", open)
	}
	for d.More() {
		if len(*f) == maxItems {
			return fmt.Errorf("a list has more than %d entries", maxItems)
		}
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		*f = append(*f, v)
	}
	return nil
}

// newest leaves out all but the last few statuses of each instance: what came
// before them changes nothing any more, and each of a one-off is a transaction
// that the reports of other hosts wait for.
func newest(list []agent.Status) []agent.Status {
	left := make(map[string]int, len(list))
	for _, s := range list {
		left[s.ID]++
	}
	return slices.DeleteFunc(list, func(s agent.Status) bool {
		left[s.ID]--
		return left[s.ID] >= maxOfOne
	})
}

// plainStatuses are what a host observed, in texts that people can read and the
// store can keep.
func plainStatuses(list []agent.Status) []agent.Status {
	for i := range list {
		s := &list[i]
		s.Reason, s.Notes = plainText(s.Reason), plainText(s.Notes)
		s.ExitCode = max(math.MinInt32, min(s.ExitCode, math.MaxInt32))
	}
	return list
}

func plainText(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxReason)], "")
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}

// timely says whether figures are of a time that somebody may look at.
func timely(at, now time.Time) bool {
	return at.After(now.Add(-oldUsage)) && at.Before(now.Add(aheadUsage))
}

// sender is the address that a request comes from.
func sender(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// whoseLimit is by what limits count who comes: one who has an IPv6 address has
// as many of its network as they like.
func whoseLimit(remote string) string {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	addr := a.Addr().Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	p, err := addr.Prefix(64)
	if err != nil {
		return addr.String()
	}
	return p.String()
}

// mayPublishOn says whether a host's dynos can be at an address. The router
// goes there: what only this machine reaches is no other machine's.
func mayPublishOn(addr, from netip.Addr) error {
	if !ofThisMachine(addr) || ofThisMachine(from) {
		return nil
	}
	return server.Errorf(server.ErrInvalid, "%s is an address of the control plane itself, not of the host. Nothing was changed; give the machine's private one with --addr.", addr)
}

func ofThisMachine(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == addr {
			return true
		}
	}
	return false
}
