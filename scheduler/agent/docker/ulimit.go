package docker

import (
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/docker/go-units"
)

// What every process may open: soft for programs that allot by it, hard for
// those that know to ask for more.
const (
	softFiles = 4096
	hardFiles = 65536
)

// ulimit is the limit on open files that the engine was found able to set. An
// engine that itself runs under a lower one, without the right to raise it
// (inside a container, in some virtual machines), refuses to start anything
// with more; it is learned from its first refusal.
type ulimit struct {
	hard   atomic.Int64
	proven atomic.Bool // a container was started with it
}

// safe is for a container that is started later than it is made, when it is
// too late to make it with less: what every engine can give until more has
// been proven.
func (u *ulimit) safe() *units.Ulimit {
	if u.proven.Load() {
		return u.files()
	}
	return &units.Ulimit{Name: "nofile", Soft: softFiles, Hard: softFiles}
}

func (u *ulimit) files() *units.Ulimit {
	hard := u.hard.Load()
	if hard == 0 {
		hard = hardFiles
	}
	return &units.Ulimit{Name: "nofile", Soft: min(softFiles, hard), Hard: hard}
}

// lower takes the next smaller limit after err. retry is false when err is not
// about it or there is none smaller. tried is what was refused: of several
// starts at once only one lowers it, for which first is true.
func (u *ulimit) lower(err error, tried int64) (retry, first bool) {
	if err == nil || !strings.Contains(err.Error(), "setting rlimit") || tried <= softFiles {
		return false, false
	}
	next := int64(softFiles)
	var own syscall.Rlimit // this machine's, and so perhaps the engine's
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &own) == nil && own.Max > softFiles && own.Max < uint64(tried) {
		next = int64(own.Max)
	}
	was := tried
	if tried == hardFiles {
		was = 0
	}
	return true, u.hard.CompareAndSwap(was, next)
}
