// Package e2e holds the tests of the whole program: the real binary, driven by
// git, ssh, HTTP and its own CLI.
package e2e
