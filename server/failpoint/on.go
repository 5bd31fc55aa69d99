//go:build failpoint

// Package failpoint lets a test end the process at a named point, to prove
// that nothing acknowledged is lost. Without the build tag every call is
// compiled away.
package failpoint

import (
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	mu     sync.Mutex
	active = map[string]string{}
)

// Enable takes "name=kill" or "name=sleep(5s)", separated by semicolons. A
// kill happens as kill -9 would: nothing is flushed, no defer runs.
func Enable(spec string) {
	mu.Lock()
	defer mu.Unlock()
	for item := range strings.SplitSeq(spec, ";") {
		if name, action, ok := strings.Cut(item, "="); ok {
			active[name] = action
		}
	}
}

// Hit acts when name is enabled.
func Hit(name string) {
	mu.Lock()
	action := active[name]
	mu.Unlock()
	switch {
	case action == "kill":
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {}
	case strings.HasPrefix(action, "sleep("):
		if d, err := time.ParseDuration(strings.TrimSuffix(action[len("sleep("):], ")")); err == nil {
			time.Sleep(d)
		}
	}
}
