//go:build !failpoint

// Package failpoint lets a test end the process at a named point, to prove
// that nothing acknowledged is lost. Without the build tag every call is
// compiled away.
package failpoint

// Enable does nothing in a binary without failpoints.
func Enable(string) {}

// Hit does nothing in a binary without failpoints.
func Hit(string) {}
