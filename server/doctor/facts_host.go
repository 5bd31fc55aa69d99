package doctor

import (
	"bufio"
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// askVersion runs a program with the argument that makes it print its version.
func askVersion(ctx context.Context, cfg Config, name string, args ...string) toolFacts {
	path, err := exec.LookPath(name)
	if err != nil {
		return toolFacts{err: errors.New(name + " is not in PATH")}
	}
	return versionOf(ctx, cfg, path, args...)
}

func versionOf(ctx context.Context, cfg Config, path string, args ...string) toolFacts {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	// ssh prints its version to standard error.
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return toolFacts{path: path, err: fmt.Errorf("run %s %s: %w", path, strings.Join(args, " "), err)}
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return toolFacts{path: path, version: strings.TrimSpace(first)}
}

// findPostgres looks where Debian puts the server programs, newest first,
// then in PATH.
func findPostgres(ctx context.Context, cfg Config) toolFacts {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well-formed
	slices.SortFunc(dirs, func(a, b string) int { return pgMajor(b) - pgMajor(a) })
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		if !executable(filepath.Join(dir, "postgres")) || !executable(filepath.Join(dir, "initdb")) {
			continue
		}
		f := versionOf(ctx, cfg, filepath.Join(dir, "postgres"), "--version")
		f.path = dir
		return f
	}
	return toolFacts{err: errors.New("postgres and initdb are not installed")}
}

func pgMajor(dir string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	if err != nil {
		return 0
	}
	return n
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// findBuildkitd reads the version that Go recorded in the program: what it
// prints of itself is set by linker flags and may say nothing.
func findBuildkitd(cfg Config) toolFacts {
	path := cfg.Buildkitd
	if path == "" {
		path = filepath.Join(filepath.Dir(cfg.Program), "buildkitd")
	}
	f := toolFacts{path: path}
	if _, f.err = os.Stat(path); f.err != nil {
		return f
	}
	if !executable(path) {
		f.err = errors.New("it is not executable")
		return f
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		f.err = fmt.Errorf("read build information: %w", err)
		return f
	}
	f.version = modules(info)["github.com/moby/buildkit"]
	return f
}

func modules(info *debug.BuildInfo) map[string]string {
	m := map[string]string{info.Main.Path: info.Main.Version}
	for _, d := range info.Deps {
		m[d.Path] = d.Version
		if d.Replace != nil {
			m[d.Path] = d.Replace.Version
		}
	}
	return m
}

func readBuild() buildFacts {
	f := buildFacts{goVersion: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		f.modules = modules(info)
	}
	return f
}

func statDataDir(path string) dataFacts {
	f := dataFacts{path: path, nearest: path, self: os.Getuid()}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		for parent := filepath.Dir(path); ; parent = filepath.Dir(parent) {
			if _, err := os.Stat(parent); err == nil || parent == filepath.Dir(parent) {
				f.nearest = parent
				return f
			}
		}
	}
	if err != nil {
		f.err = err
		return f
	}
	f.exists, f.isDir, f.mode = true, info.IsDir(), info.Mode()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		f.owner = int(st.Uid)
	}
	return f
}

func statDisk(path string) diskFacts {
	f := diskFacts{path: path}
	var st syscall.Statfs_t
	if f.err = syscall.Statfs(path, &st); f.err != nil {
		return f
	}
	// As df does: what is kept for root counts neither as free nor as size.
	unit := uint64(st.Bsize)
	f.total, f.free = (st.Blocks-st.Bfree+st.Bavail)*unit, st.Bavail*unit
	return f
}

func readMemory() memoryFacts {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return memoryFacts{err: err}
	}
	return parseMemory(b)
}

// parseMemory reads the lines "MemTotal:  24105 kB".
func parseMemory(b []byte) memoryFacts {
	var f memoryFacts
	for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
		words := strings.Fields(sc.Text())
		if len(words) < 2 {
			continue
		}
		kib, err := strconv.ParseUint(words[1], 10, 54)
		if err != nil {
			continue
		}
		switch words[0] {
		case "MemTotal:":
			f.total = kib << 10
		case "MemAvailable:":
			f.available = kib << 10
		}
	}
	if f.total == 0 {
		f.err = errors.New("/proc/meminfo tells no total")
	}
	return f
}

func readFilesystems() string {
	b, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return ""
	}
	return string(b)
}
