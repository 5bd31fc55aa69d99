package agent

import (
	"fmt"
	"time"
)

// exitReason says in words how a process ended.
func exitReason(s Status, a Assignment) string {
	switch {
	case s.OOM && s.ExitCode == killed:
		return fmt.Sprintf("killed: over its %d MB memory limit (Error R14 (Memory quota exceeded))", a.Limits.Memory>>20)
	case s.OOM:
		return fmt.Sprintf("process exited with status %d after a part of it was killed: over the %d MB memory limit (Error R14 (Memory quota exceeded))",
			s.ExitCode, a.Limits.Memory>>20)
	case s.ExitCode == 127:
		return "process exited with status 127: command not found in the image"
	case s.ExitCode == 126:
		return "process exited with status 126: the command is not executable"
	}
	return fmt.Sprintf("process exited with status %d", s.ExitCode)
}

// exitTimeout is the reason of a stop that needed SIGKILL.
func exitTimeout(grace time.Duration) string {
	return fmt.Sprintf("did not exit within %s of SIGTERM: Error R12 (Exit timeout)", grace)
}
