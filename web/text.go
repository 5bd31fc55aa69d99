package web

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"paas/server"
)

// ago is how long since, in one unit.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	switch {
	case d < 5*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}

// clock is the time of day, stamp the whole time as machines read it; UTC both.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") }
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func durationText(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < time.Millisecond:
		return fmt.Sprintf("%.2g ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return d.Round(time.Second).String()
	}
}

// bytesText is a size in 1024s.
func bytesText(n int64) string {
	f, unit := float64(n), 0
	for f >= 1000 && unit < 4 {
		f, unit = f/1024, unit+1
	}
	if f >= 10 || unit == 0 {
		return fmt.Sprintf("%.0f %s", f, []string{"B", "KB", "MB", "GB", "TB"}[unit])
	}
	return fmt.Sprintf("%.1f %s", f, []string{"B", "KB", "MB", "GB", "TB"}[unit])
}

// countText is a number with its thousands apart.
func countText(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:] // a thin space
	}
	return s
}

// shortCommit is as much of a commit as the command line shows.
func shortCommit(commit string) string {
	if len(commit) > 8 {
		return commit[:8]
	}
	return commit
}

// shortDigest is enough of an image's digest to tell it from others.
func shortDigest(digest string) string {
	const enough = len("sha256:") + 12
	if strings.HasPrefix(digest, "sha256:") && len(digest) > enough {
		return digest[:enough]
	}
	return digest
}

// plain is text of users without what could change how a page reads: control
// characters and those that turn the writing direction.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), unicode.Is(unicode.Cf, r) && r != '‍':
			return '�'
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
}

// look is how a state is shown: a class, a shape and a word, never colour alone.
type look struct{ Class, Shape, Word string }

// stateOf is the look of a state of a deploy, release, instance or build.
func stateOf(state any) look {
	word := fmt.Sprint(state)
	switch word {
	case "live", "done", "succeeded", "up", "running", "healthy", "ready", server.ServerLeads, server.ServerFollows:
		return look{"good", "●", word}
	case "failed", "crashed", "error", "down", "lost", "silent":
		return look{"bad", "✕", word}
	case "cancelled", "superseded", "stopped", "idle", "complete", "no release", "drained":
		return look{"off", "○", word}
	case "maintenance", "cordoned":
		return look{"wait", "‖", word} // held, on purpose
	case "stopping", "draining", "behind":
		return look{"busy", "◑", word}
	case string(server.DeployQueued), "pending", "wanted", "settling", "invited":
		return look{"wait", "◌", word}
	}
	return look{"busy", "◐", word}
}
