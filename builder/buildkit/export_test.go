package buildkit

import (
	"context"

	"paas/builder"
)

// Inspect is inspect, for tests.
func Inspect(ctx context.Context, b *Builder, repo, digest string) (builder.Image, error) {
	return b.inspect(ctx, repo, digest)
}
