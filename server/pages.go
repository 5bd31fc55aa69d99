package server

import (
	"context"
	"fmt"
	"sync"

	"paas/router"
)

// The config vars that name an app's own pages (Heroku's names).
const (
	maintenancePageVar = "MAINTENANCE_PAGE_URL"
	errorPageVar       = "ERROR_PAGE_URL"
)

// pages knows the addresses of the apps' own pages. Of the config it keeps
// nothing but these, and only of each app's current release.
type pages struct {
	store   Store
	keyring *Keyring

	mu   sync.Mutex
	kept map[string]ownPages // by app
}

// ownPages are addresses that router.PageURL let pass, or empty.
type ownPages struct{ release, maintenance, err string }

func newPages(store Store, k *Keyring) *pages {
	return &pages{store: store, keyring: k, kept: map[string]ownPages{}}
}

// of gives the pages of an app's current release.
func (p *pages) of(ctx context.Context, app App) (ownPages, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if have, ok := p.kept[app.ID]; ok && have.release == app.Current {
		return have, nil
	}
	if app.Current == "" {
		return ownPages{}, nil
	}
	key, err := p.store.DataKey(ctx, app.ID)
	if err != nil {
		return ownPages{}, err
	}
	sealed, err := p.store.ReleaseConfig(ctx, app.Current)
	if err != nil {
		return ownPages{}, err
	}
	config, err := p.keyring.OpenConfig(key, app.ID, app.Current, sealed)
	if err != nil {
		return ownPages{}, fmt.Errorf("open config: %w", err)
	}
	own := ownPages{release: app.Current}
	own.maintenance, _, _ = router.PageURL(config[maintenancePageVar])
	own.err, _, _ = router.PageURL(config[errorPageVar])
	p.kept[app.ID] = own
	return own, nil
}

// forget drops what was kept of an app that is gone.
func (p *pages) forget(appID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.kept, appID)
}
