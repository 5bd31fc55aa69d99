package docker_test

import (
	"testing"
)

// BenchmarkStart is create + start + inspect of a container whose image and
// network are there, and its removal, which is not counted.
func BenchmarkStart(b *testing.B) {
	r := newRuntime(b, config())
	ctx := deadline(b)
	warm := assign(b, 1, "silent")
	if _, err := r.Start(ctx, warm); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		a := assign(b, 1, "silent")
		if _, err := r.Start(ctx, a); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := r.Stop(ctx, a.ID, 0); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
