package agent

import (
	"context"
	"io"
	"net"
	"time"
)

// Assignment is one instance that this host is to run. The agent makes the
// host look like the set of assignments it was last given: it starts what is
// missing, stops what is marked Stop, and removes what is not in the set.
type Assignment struct {
	ID      string            // instance id, unique for ever
	AppID   string            // owner
	App     string            // name, for people and container names
	Name    string            // "web.1"
	Release int               // version, for labels
	Image   string            // "127.0.0.1:5500/<app id>@sha256:…"
	Command []string          // replaces the image's entrypoint and command when not nil
	Env     map[string]string // byte-exact; holds PORT for web
	Port    int               // port the process binds; 0 means: no probe, up once it runs
	Probe   Probe
	Network Network
	Limits  Limits
	Grace   time.Duration // between SIGTERM and SIGKILL
	Stop    bool          // stop it and report Stopped

	// Revive starts anew what this agent finds ended when it begins: the machine
	// was started again, and nobody is there to decide what becomes of it.
	Revive bool
	// OneOff runs once: its end is reported as Exited, whatever the code.
	OneOff bool
	// Attach keeps a one-off from starting until a Session of kind Attach
	// comes for it; its output goes there and not into the log. It is Exited
	// when none comes within AttachWait.
	Attach bool
	TTY    bool
	// Limit ends a one-off that runs longer; 0 is no limit.
	Limit time.Duration
	Files []File // shown to the process read-only, kept in memory
	// Mounts are the volumes of the instance; no other process may have one of
	// them at the same time.
	Mounts []Mount
	// Discard, the id of a volume, makes this no instance at all: nobody wants
	// what the host has of that volume any more.
	Discard string
	// Ahead makes this no instance either: something of Image may run here soon,
	// so the host fetches it when it has the disk for it.
	Ahead bool
}

// AttachWait is how long an attached one-off waits for its client.
const AttachWait = time.Minute

// File is one file that an instance finds in its file system.
type File struct {
	Path    string // absolute and clean
	Content []byte
}

// Probe is how health is seen from outside the container: an HTTP GET of Path
// to Port that answers below 500. Deadline counts from the start of the process.
type Probe struct {
	Path     string        // "/" when empty
	Host     string        // Host header of the probe
	Deadline time.Duration // R10 after it
}

// Network is the app's own bridge.
type Network struct {
	Name   string // "paas-<app id>"
	Subnet string // CIDR the planner allotted
}

// Limits are enforced on every container.
type Limits struct {
	Memory   int64 // bytes; swap is the same
	MilliCPU int64
	Pids     int64
}

// State of an instance as its host sees it.
type State string

// The states an agent reports. Up, Crashed, Exited and Stopped are told once each;
// a report that was not taken is repeated.
const (
	Starting State = "starting" // container exists, process runs, not healthy yet
	Up       State = "up"       // healthy (Port > 0) or running (Port == 0)
	Crashed  State = "crashed"  // process ended, never came up in time, or could not be started
	Stopping State = "stopping" // the process was told to end; only for the log
	Exited   State = "exited"   // a one-off's process ended by itself, or reached its limit, or never ran
	Stopped  State = "stopped"  // stopped as told; nothing of it is left on the host
	Wrote    State = "wrote"    // no state: Layer says what it has written so far
)

// Status is one report about one assignment.
type Status struct {
	ID       string
	State    State
	Addr     string // "10.210.0.2:8080" once known
	ExitCode int    // when the process ended
	OOM      bool   // killed for its memory limit
	// Reason is for people and names step and cause: "pull image: registry
	// unreachable", "GET / answered 500", "nothing listens on port 8080",
	// "process exited with status 1".
	Reason string
	// Platform is true when the cause is not the app's: engine or registry down.
	Platform bool
	// Notes are what the app's log says of it, a line each, in Heroku's words.
	Notes string
	// Halted is true for a one-off that did not end by itself: it reached its
	// limit, or its client left or never came. ExitCode is never 0 then.
	Halted bool
	Layer  *Layer // with Wrote only
	At     time.Time
}

// Line is one line an instance printed.
type Line struct {
	AppID    string
	Instance string
	Name     string // "web.1"
	At       time.Time
	Text     string // without line end; raw bytes of the app
	// Platform is true for what the agent says about the instance in the midst
	// of its output: how many lines were dropped.
	Platform bool
}

// Control is the agent's side of the control plane: in-process in standalone,
// a client over mTLS in clusters.
type Control interface {
	// Watch sends the full set of assignments at once and after each change
	// (sets may be skipped). The channel closes when ctx ends.
	Watch(ctx context.Context, host string) <-chan []Assignment
	// Report stores what the host observed. An error means: not stored, say
	// it again.
	Report(ctx context.Context, host string, s []Status) error
	// Log takes lines in order per instance; it must not block for long.
	Log(lines []Line)
	// LogCursor is the time of the last stored line of an instance, zero when
	// none: where to go on reading after a restart.
	LogCursor(instance string) time.Time
	// Sessions sends what people want to do inside instances of the host. The
	// channel closes when ctx ends.
	Sessions(ctx context.Context, host string) <-chan Session
	// Usage takes one measurement of the host, of all its running instances that
	// could be measured; it must not block.
	Usage(host string, at time.Time, u []Usage)
	// Beat takes a sign of life; it must not block.
	Beat(host string, b Beat)
}

// Stats is what an instance's container uses.
type Stats struct {
	At     time.Time     // of the measurement
	CPU    time.Duration // CPU time since it began
	Memory int64         // bytes, without what the kernel keeps of files and gives back when it is asked
}

// Usage is what an instance used since it was measured last.
type Usage struct {
	Instance    string
	AppID       string
	Name        string        // "web.1"
	CPU         time.Duration // CPU time since then, or since its start
	MilliCPU    int64         // the same as a rate
	Memory      int64         // bytes, as Stats
	MemoryLimit int64         // bytes
}

// SessionKind is what a session does.
type SessionKind string

// The kinds of session.
const (
	Attach  SessionKind = "attach"  // to the main process of an Assignment with Attach; once
	Exec    SessionKind = "exec"    // another process in a running instance
	Forward SessionKind = "forward" // a TCP connection to a port of an instance; Out is the answer, no Err
)

// Session is somebody's use of an instance from outside.
type Session struct {
	Instance string
	Kind     SessionKind
	Command  []string          // Exec
	Env      map[string]string // Exec: besides the instance's own
	TTY      bool              // Exec; of Attach the Assignment's
	Port     int               // Forward
	IO       IO
	// Ended takes how it ended, once; the agent says it after the last byte of
	// output was written.
	Ended func(SessionEnd)
	// Gone is closed when the client went away: what the session started ends.
	Gone <-chan struct{}
}

// SessionEnd is how a session ended.
type SessionEnd struct {
	ExitCode int
	Err      error // made for people: why it could not be, or broke off; nil when the process ended
}

// IO are a session's streams. In ends with io.EOF when the client has sent its
// last byte, which closes the process's input and nothing else (half-close; with
// a TTY it is an end-of-file character). Any other error of In closes nothing:
// half an input must not look like a whole one. An In that is an io.Closer is
// closed once nothing more will be read, and its Read has to return then; any
// other's Read must return after Ended. A Write must return once Gone is closed.
type IO struct {
	In     io.Reader
	Out    io.Writer
	Err    io.Writer // with a TTY all goes to Out
	Resize <-chan WindowSize
}

// WindowSize is the size of a terminal in characters.
type WindowSize struct{ Rows, Cols uint16 }

// Container is what the runtime knows of one container of this cluster.
type Container struct {
	Instance string // instance id, from the label
	Running  bool
	IP       string
	Addr     string // "10.0.0.5:32768", where other machines reach it; empty when it is not published
	ExitCode int
	OOM      bool
	Started  time.Time
}

// Runtime is a container engine. Every call has a deadline in its context;
// every call is safe to repeat.
type Runtime interface {
	// List gives all containers of this cluster, running or not.
	List(ctx context.Context) ([]Container, error)
	// Start pulls, makes the network, creates and starts; on an error nothing
	// is left behind but the pulled image and the network. With a.Attach it
	// only creates: Attach starts.
	Start(ctx context.Context, a Assignment) (Container, error)
	// Stop sends SIGTERM, SIGKILL after grace, and removes the container. A
	// container that is not there is no error.
	Stop(ctx context.Context, instance string, grace time.Duration) error
	// End is Stop without the removal: of a one-off its container is the memory
	// that it has run. One that never ran stays as it is.
	End(ctx context.Context, instance string, grace time.Duration) error
	// Wait blocks until the container's process has ended.
	Wait(ctx context.Context, instance string) (Container, error)
	// Logs follows the output from since (exclusive) until the process has
	// ended and all was read (nil), or ctx ends. Times strictly increase; a
	// line of more than 10,000 bytes comes in pieces.
	Logs(ctx context.Context, instance string, since time.Time, line func(at time.Time, text string)) error
	// Attach connects io to the main process of a container created with
	// Attach, starts it (ready is called then), and returns when its output has
	// ended or ctx has; it does not stop the process.
	Attach(ctx context.Context, instance string, io IO, ready func()) error
	// Exec runs another process in a running container, with its user and
	// limits, and gives its exit code: 127 for a command that is not there, 126
	// for one that cannot be run, both with an error that says so. When ctx
	// ends, so does the process with all it started.
	Exec(ctx context.Context, instance string, command []string, env map[string]string, tty bool, io IO) (exitCode int, err error)
	// Dial connects to a port of a running container.
	Dial(ctx context.Context, instance string, port int) (net.Conn, error)
	// Stats measures a running container, at once: an error when there is none
	// (ErrNoContainer), or when its process has ended.
	Stats(ctx context.Context, instance string) (Stats, error)
	// Prune removes networks of this cluster whose name is not in keep.
	Prune(ctx context.Context, keep []string) error
}
