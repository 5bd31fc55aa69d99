package doctor

import (
	"fmt"
	"io/fs"
	"path/filepath"
)

// dataFacts is the data directory as it stands.
type dataFacts struct {
	path    string
	nearest string // itself, or the nearest parent that exists
	exists  bool
	isDir   bool
	mode    fs.FileMode
	owner   int // uid
	self    int // our uid
	err     error
}

func checkDataDir(f dataFacts) Result {
	r := Result{Check: "data directory", Status: OK, Found: fmt.Sprintf("%s, mode %04o", f.path, f.mode.Perm())}
	switch {
	case f.err != nil:
		r.Status, r.Found, r.Cause = Fail, f.path, f.err.Error()
		r.Next = "give another with --data-dir, or mend the permissions"
	case !f.exists:
		r.Found = f.path + " does not exist yet; standalone makes it"
	case !f.isDir:
		r.Status, r.Found, r.Cause = Fail, f.path+" is no directory", "standalone keeps everything below it"
		r.Next = "give another with --data-dir"
	case f.mode.Perm()&0o022 != 0:
		r.Status, r.Cause = Fail, "others may write in it: keys and releases of every app lie below"
		r.Next = "chmod go-w " + f.path
	case f.owner != f.self && f.self != 0:
		r.Status, r.Cause = Fail, fmt.Sprintf("it belongs to uid %d, and this is uid %d", f.owner, f.self)
		r.Next = "run paas as its owner"
	}
	return r
}

// diskFacts is the file system of the data directory, in bytes.
type diskFacts struct {
	path        string
	total, free uint64 // free for us: what is kept for root does not count
	err         error
}

const (
	diskWarn = 80 // percent used: the alarm
	diskFail = 95 // percent used: pushes are refused
)

func checkDisk(f diskFacts) Result {
	r := Result{Check: "disk", Status: OK}
	if f.err != nil || f.total == 0 {
		r.Status, r.Found = Warn, "unknown"
		r.Cause, r.Next = fmt.Sprintf("the file system of %s tells no size: %v", f.path, f.err), "df -h "+f.path
		return r
	}
	used := 100 - int(f.free*100/f.total)
	r.Found = fmt.Sprintf("%d %% used, %s free at %s", used, size(f.free), f.path)
	switch {
	case used >= diskFail:
		r.Status, r.Cause = Fail, fmt.Sprintf("from %d %% on pushes are refused; apps go on running", diskFail)
	case used >= diskWarn:
		r.Status, r.Cause = Warn, fmt.Sprintf("at %d %% pushes are refused", diskFail)
	default:
		return r
	}
	r.Next = "docker image prune, or a larger disk; du -xsh " + filepath.Join(f.path, "*") + " shows what is large"
	return r
}

// memoryFacts is the machine's memory in bytes.
type memoryFacts struct {
	total, available uint64
	err              error
}

const (
	memoryFail = 512 << 20
	memoryWarn = 1 << 30
)

func checkMemory(f memoryFacts) Result {
	r := Result{Check: "memory", Status: OK, Found: fmt.Sprintf("%s available of %s", size(f.available), size(f.total))}
	switch {
	case f.err != nil:
		r.Status, r.Found, r.Cause, r.Next = Warn, "unknown", f.err.Error(), "free -h"
	case f.available < memoryFail:
		r.Status, r.Cause = Fail, "not enough for the database, a build and one app"
		r.Next = "stop something, or use a larger machine (free -h)"
	case f.available < memoryWarn:
		r.Status, r.Cause = Warn, "a build and an app of 512 MiB may not fit together"
		r.Next = "stop something, or use a larger machine (free -h)"
	}
	return r
}

// portFacts is the try to listen on an address.
type portFacts struct {
	addr string
	busy bool
	err  error // another reason it failed
}

// checkPort: an address in use is in order when our own paas runs.
func checkPort(f portFacts, ours bool) Result {
	r := Result{Check: "port " + f.addr, Status: OK, Found: "free"}
	switch {
	case f.busy && ours:
		r.Found = "in use, while paas runs"
	case f.busy:
		r.Status, r.Found = Fail, "in use by another program"
		r.Cause = "standalone cannot listen there"
		r.Next = "ss -ltnp shows by whom; stop it, or give standalone another address"
	case f.err != nil:
		r.Status, r.Found, r.Cause = Fail, "cannot be listened on", f.err.Error()
		r.Next = "give standalone another address"
	}
	return r
}

// paasFacts is the paas that runs on the data directory.
type paasFacts struct {
	dir    string
	socket string
	exists bool // the socket file
	err    error
	status int // of GET /healthz
	body   string
}

func (f paasFacts) answers() bool { return f.exists && f.err == nil }

func checkPaas(f paasFacts, program string) Result {
	r := Result{Check: "paas", Status: OK, Found: "runs and is healthy (" + f.socket + ")"}
	switch {
	case !f.exists:
		r.Status, r.Found = Warn, "not running on "+f.dir
		r.Cause, r.Next = "there is no "+f.socket, program+" --data-dir "+f.dir
	case f.err != nil:
		r.Status, r.Found = Fail, "does not answer at "+f.socket
		r.Cause, r.Next = f.err.Error(), program+" --data-dir "+f.dir+" (apps go on running meanwhile)"
	case f.status != 200:
		r.Status, r.Found = Fail, fmt.Sprintf("runs, but its health is %d", f.status)
		r.Cause, r.Next = f.body, "look at its log"
	}
	return r
}

// size prints bytes for people.
func size(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	default:
		return fmt.Sprintf("%d MiB", n>>20)
	}
}
