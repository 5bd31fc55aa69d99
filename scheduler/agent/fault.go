package agent

import "errors"

// ErrNoContainer is what Wait and Logs answer for an instance that has no
// container on this host.
var ErrNoContainer = errors.New("no such container")

// ErrNotRunning is what Exec and Dial answer for an instance whose container
// is there but whose process is not.
var ErrNotRunning = errors.New("not running")

// FaultKind says whose fault an error of a Runtime is, and with that what the
// agent does about it.
type FaultKind int

const (
	// FaultPassing is the platform's and may pass: repeated within a bound.
	FaultPassing FaultKind = iota
	// FaultEngine means the engine could not be reached or did not answer in
	// time: repeated for as long as it takes, nothing can be said about the
	// instance meanwhile.
	FaultEngine
	// FaultLasting is the platform's and stays as it is until a person acts:
	// an image that is gone, a refused password, a subnet in use.
	FaultLasting
	// FaultApp is the app's own: an image without a process, an environment
	// that no process can be given.
	FaultApp
)

// Fault is an error of a Runtime with its kind. Its text names step and cause.
type Fault struct {
	Kind FaultKind
	Err  error
}

func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap gives the error behind it.
func (f *Fault) Unwrap() error { return f.Err }

// KindOf is the kind of an error of a Runtime. One that does not say is
// FaultPassing.
func KindOf(err error) FaultKind {
	var f *Fault
	if errors.As(err, &f) {
		return f.Kind
	}
	return FaultPassing
}
