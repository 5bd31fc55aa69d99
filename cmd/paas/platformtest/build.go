// Package platformtest is what the tests share that drive the real binary: how
// it is built, started and asked, and how people work with it. Only tests
// import it.
package platformtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Built is what a test program builds once, before its tests.
type Built struct {
	Dir       string // that all of it is below, and the tests' own files
	Paas      string // the binary
	Buildkitd string // of bin/, or built
	App       string // what the tests deploy
	Key       string // an SSH key; Key.pub is beside it
}

// Build makes them in a new directory, which remove takes away. The binary is
// built with flags, the app of the package at a path. Names of directories are
// short, for the path of a unix socket has 108 bytes. The working directory is
// that of a package right below cmd/paas.
func Build(name, app string, flags ...string) (b Built, remove func()) {
	dir, err := os.MkdirTemp("", name)
	Must(err)
	Must(os.Chmod(dir, 0o711)) // a private Postgres runs as another user below it
	b = Built{Dir: dir, Paas: filepath.Join(dir, "bin", "paas"), App: filepath.Join(dir, "app"), Key: filepath.Join(dir, "id_ed25519")}
	Run(nil, "go", append(append([]string{"build", "-o", b.Paas}, flags...), "..")...)
	b.App = BuildApp(b.App, app)
	Run(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann@laptop", "-f", b.Key)
	b.Buildkitd, err = filepath.Abs("../../../bin/buildkitd")
	Must(err)
	if _, err := os.Stat(b.Buildkitd); err != nil {
		b.Buildkitd = filepath.Join(dir, "bin", "buildkitd")
		Run(nil, "go", "build", "-o", b.Buildkitd, "github.com/moby/buildkit/cmd/buildkitd")
	}
	return b, func() { _ = os.RemoveAll(dir) }
}

// BuildApp builds a program that runs in an empty image.
func BuildApp(bin, pkg string) string {
	Run([]string{"CGO_ENABLED=0"}, "go", "build", "-o", bin, pkg)
	return bin
}

// Must panics with an error: the test program cannot go on.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}

// Run runs a program to its end, with more in its environment.
func Run(env []string, name string, args ...string) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%s %v: %v\n%s", name, args, err, out))
	}
}
