// Package report is what all benchmarks say alike: what they ran on, spreads of
// durations, and results as JSON.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Spread is of a series of durations, in milliseconds.
type Spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

// SpreadOf gives the spread of d; of none it is zero.
func SpreadOf(d []time.Duration) Spread {
	if len(d) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(d))
	median := s[len(s)/2]
	if len(s)%2 == 0 {
		median = (s[len(s)/2-1] + median) / 2
	}
	return Spread{Min: ms(s[0]), Median: ms(median), Max: ms(s[len(s)-1]), N: len(s)}
}

func ms(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// Write keeps a result as indented JSON, with the directories it needs.
func Write(path string, result any) error {
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Machine says what the figures were measured on, as far as Linux tells.
func Machine() map[string]string {
	return map[string]string{
		"cores": fmt.Sprint(runtime.NumCPU()), "os": runtime.GOOS, "arch": runtime.GOARCH,
		"cpu":          field("/proc/cpuinfo", "model name"),
		"memory":       field("/proc/meminfo", "MemTotal:"),
		"kernel":       field("/proc/sys/kernel/osrelease", ""),
		"distribution": field("/etc/os-release", "PRETTY_NAME="),
		"load":         field("/proc/loadavg", ""),
	}
}

// field is what follows prefix in the first line of a file that begins with it.
func field(path, prefix string) string {
	text, _ := os.ReadFile(path)
	for line := range strings.SplitSeq(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.Trim(strings.TrimSpace(rest), `:" `+"\t")
		}
	}
	return ""
}
