package agent

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Status says why twice: Reason is one phrase for `ps` and for the pusher,
// Notes are the lines of the app's log, worded as Heroku's so that people and
// the programs that read their logs know them.

// exitReason says in words how a process ended.
func exitReason(s Status, a Assignment) string {
	switch {
	case s.OOM && s.ExitCode == killed:
		return fmt.Sprintf("killed: over its %d MB memory limit (Error R14)", a.Limits.Memory>>20)
	case s.OOM:
		return fmt.Sprintf("process exited with status %d after a part of it was killed: over the %d MB memory limit (Error R14)",
			s.ExitCode, a.Limits.Memory>>20)
	case s.ExitCode == 127:
		return "process exited with status 127: command not found in the image"
	case s.ExitCode == 126:
		return "process exited with status 126: the command is not executable"
	}
	return fmt.Sprintf("process exited with status %d", s.ExitCode)
}

// exitNotes tell of a process that ended.
func exitNotes(s Status, a Assignment) string {
	var lines []string
	if s.Platform {
		lines = append(lines, s.Reason)
	}
	if s.OOM {
		mb := a.Limits.Memory >> 20
		what := "The kernel killed the process"
		if s.ExitCode != killed {
			what = "The kernel killed a part of the process"
		}
		lines = append(lines, fmt.Sprintf("Process running mem=%dM(100.0%%)", mb), "Error R14 (Memory quota exceeded)",
			fmt.Sprintf("%s: it needed more than its memory limit of %d MB", what, mb))
	}
	return strings.Join(append(lines, exited(s.ExitCode)), "\n")
}

func exited(code int) string { return fmt.Sprintf("Process exited with status %d", code) }

// stopNote tells that a process was told to end.
const stopNote = "Stopping all processes with SIGTERM"

// stopNotes tell how a process ended that was told to; late: it took SIGKILL.
func stopNotes(s Status, late bool, grace time.Duration) string {
	if !late {
		return exited(s.ExitCode)
	}
	return fmt.Sprintf("Error R12 (Exit timeout) -> At least one process failed to exit within %s seconds of SIGTERM\n"+
		"Stopping remaining processes with SIGKILL\n", seconds(grace)) + exited(s.ExitCode)
}

// exitTimeout is the reason of a stop that needed SIGKILL.
func exitTimeout(grace time.Duration) string {
	return fmt.Sprintf("did not exit within %s of SIGTERM: Error R12 (Exit timeout)", grace)
}

// lateError is an instance that was not healthy in time.
type lateError struct{ reason, note string }

func (e *lateError) Error() string { return e.reason }

// bootTimeout makes it out of the last probe's result.
func bootTimeout(last error, limit time.Duration) error {
	const code = "(Error R10 (Boot timeout))"
	const note = "Error R10 (Boot timeout) -> Web process "
	var n *nothingListens
	if errors.As(last, &n) {
		return &lateError{
			reason: fmt.Sprintf("%s after %s: connection refused %s; the process has to listen on $PORT of all addresses, not of 127.0.0.1 only", n, limit, code),
			note: note + fmt.Sprintf("failed to bind to $PORT within %s seconds of launch\n"+
				"Nothing listens on 0.0.0.0:%d: the process has to listen on $PORT of all addresses, not of 127.0.0.1 only", seconds(limit), n.port),
		}
	}
	return &lateError{
		reason: fmt.Sprintf("%s; it was not healthy within %s %s", last, limit, code),
		note:   note + fmt.Sprintf("was not healthy within %s seconds of launch\n%s", seconds(limit), last),
	}
}

// lateNotes tell of an instance that was not healthy in time.
func lateNotes(err error) string {
	note := err.Error()
	var late *lateError
	if errors.As(err, &late) {
		note = late.note
	}
	return note + "\nStopping process with SIGKILL\n" + exited(killed)
}

// seconds is a time as Heroku's lines have it: "30", "0.5".
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }
