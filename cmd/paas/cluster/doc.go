// Package cluster holds the tests of several control planes on one Postgres:
// the real binary, real git, a real registry.
package cluster
