package httpdtest

import (
	"context"

	"paas/server"
)

// Staged is always empty.
func (f *Fake) Staged(ctx context.Context, actor server.Actor, name string) (server.StagedConfig, error) {
	_, err := f.App(ctx, actor, name)
	return server.StagedConfig{}, err
}
