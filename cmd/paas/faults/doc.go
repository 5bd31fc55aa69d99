// Package faults holds the tests of what happens to apps when machines,
// networks and programs fail: the real binary on several machines, each with a
// Docker Engine of its own, under requests all the time.
package faults
