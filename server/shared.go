package server

import (
	"context"
	"errors"
	"fmt"
)

// PlatformKey names the data key that seals what all servers share, as an app's
// id names the app's.
const PlatformKey = "platform"

// SettingPlatformKey is the setting with that data key, wrapped.
const SettingPlatformKey = "platform-data-key"

// Shared gives a secret that all servers on a database have in common, sealed
// in it. The first server that asks for it makes it; of two that do so at once
// one makes it for both.
func (k *Keyring) Shared(ctx context.Context, store SettingStore, name string, first func() ([]byte, error)) ([]byte, error) {
	setting := "shared:" + name
	sealed, err := store.Setting(ctx, setting)
	if err == nil && sealed == nil {
		sealed, err = k.share(ctx, store, setting, first)
	}
	if err != nil {
		return nil, fmt.Errorf("the servers' %s: %w", name, err)
	}
	wrapped, err := store.Setting(ctx, SettingPlatformKey)
	if err != nil {
		return nil, fmt.Errorf("the servers' %s: %w", name, err)
	}
	var secret []byte
	if err := k.openJSON(wrapped, PlatformKey, setting, sealed, &secret); err != nil {
		return nil, fmt.Errorf("open the servers' %s: %w", name, err)
	}
	return secret, nil
}

func (k *Keyring) share(ctx context.Context, store SettingStore, setting string, first func() ([]byte, error)) ([]byte, error) {
	secret, err := first()
	if err != nil {
		return nil, err
	}
	err = k.Making(func() error {
		wrapped, err := k.NewDataKey(PlatformKey)
		if err != nil {
			return err
		}
		return settle(store.SetSetting(ctx, SettingPlatformKey, wrapped))
	})
	if err != nil {
		return nil, err
	}
	wrapped, err := store.Setting(ctx, SettingPlatformKey)
	if err != nil {
		return nil, err
	}
	sealed, err := k.sealJSON(wrapped, PlatformKey, setting, secret)
	if err != nil {
		return nil, err
	}
	if err := settle(store.SetSetting(ctx, setting, sealed)); err != nil {
		return nil, err
	}
	return store.Setting(ctx, setting)
}

// settle takes it that another was first.
func settle(err error) error {
	if errors.Is(err, ErrStale) {
		return nil
	}
	return err
}
