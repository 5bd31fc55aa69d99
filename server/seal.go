package server

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// Keyring seals what must not be readable in the database: a data key of its
// own per app, wrapped by the master key that lives in a file beside it.
// Every sealed value is bound to where it belongs (RELIABILITY §4): moved to
// another app or release it does not open.
type Keyring struct {
	// making keeps data keys from being made while all are wrapped anew: one
	// wrapped with the key that goes would be lost with it.
	making sync.RWMutex

	mu      sync.RWMutex
	masters [][]byte // the first wraps; all unwrap
}

// MasterKeySize is the length of the master key in bytes.
const MasterKeySize = chacha20poly1305.KeySize

// NewKeyring takes a master key of MasterKeySize random bytes.
func NewKeyring(master []byte) (*Keyring, error) {
	if len(master) != MasterKeySize {
		return nil, fmt.Errorf("master key has %d bytes, want %d", len(master), MasterKeySize)
	}
	return &Keyring{masters: [][]byte{master}}, nil
}

// NewDataKey makes an app's data key, wrapped. Who stores it does so within
// Making.
func (k *Keyring) NewDataKey(appID string) ([]byte, error) {
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key)
	return seal(k.master(), dataKeyOf(appID), key)
}

// Making runs fn, which makes a data key and stores it, while the master key
// stays the same.
func (k *Keyring) Making(fn func() error) error {
	k.making.RLock()
	defer k.making.RUnlock()
	return fn()
}

func (k *Keyring) master() []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.masters[0]
}

func dataKeyOf(appID string) string { return "app|" + appID }

// unwrap opens an app's data key.
func (k *Keyring) unwrap(wrapped []byte, appID string) (key []byte, err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, m := range k.masters {
		if key, err = open(m, dataKeyOf(appID), wrapped); err == nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("unwrap data key: %w", err)
}

// SealConfig seals a release's config vars.
func (k *Keyring) SealConfig(wrapped []byte, appID, releaseID string, config map[string]string) ([]byte, error) {
	return k.sealJSON(wrapped, appID, "config|"+releaseID, config)
}

// OpenConfig opens what SealConfig sealed.
func (k *Keyring) OpenConfig(wrapped []byte, appID, releaseID string, sealed []byte) (map[string]string, error) {
	config := map[string]string{}
	return config, k.openJSON(wrapped, appID, "config|"+releaseID, sealed, &config)
}

// SealPatch seals the change a config deploy is to make.
func (k *Keyring) SealPatch(wrapped []byte, appID, deployID string, patch ConfigPatch) ([]byte, error) {
	return k.sealJSON(wrapped, appID, "patch|"+deployID, patch)
}

// OpenPatch opens what SealPatch sealed.
func (k *Keyring) OpenPatch(wrapped []byte, appID, deployID string, sealed []byte) (patch ConfigPatch, err error) {
	err = k.openJSON(wrapped, appID, "patch|"+deployID, sealed, &patch)
	return patch, err
}

// SealStaged seals a change that waits for an app's next release.
func (k *Keyring) SealStaged(wrapped []byte, appID string, patch ConfigPatch) ([]byte, error) {
	return k.sealJSON(wrapped, appID, "staged", patch)
}

// OpenStaged opens what SealStaged sealed.
func (k *Keyring) OpenStaged(wrapped []byte, appID string, sealed []byte) (patch ConfigPatch, err error) {
	err = k.openJSON(wrapped, appID, "staged", sealed, &patch)
	return patch, err
}

// SealFiles seals a release's config files; none give nil.
func (k *Keyring) SealFiles(wrapped []byte, appID, releaseID string, files map[string]ConfigFile) ([]byte, error) {
	if len(files) == 0 {
		return nil, nil
	}
	return k.sealJSON(wrapped, appID, "files|"+releaseID, files)
}

// OpenFiles opens what SealFiles sealed.
func (k *Keyring) OpenFiles(wrapped []byte, appID, releaseID string, sealed []byte) (files map[string]ConfigFile, err error) {
	if sealed == nil {
		return nil, nil
	}
	err = k.openJSON(wrapped, appID, "files|"+releaseID, sealed, &files)
	return files, err
}

// SealDrain seals the URL of a drain, which may hold a password.
func (k *Keyring) SealDrain(wrapped []byte, appID, drainID, url string) ([]byte, error) {
	return k.sealJSON(wrapped, appID, "drain|"+drainID, url)
}

// OpenDrain opens what SealDrain sealed.
func (k *Keyring) OpenDrain(wrapped []byte, appID, drainID string, sealed []byte) (url string, err error) {
	err = k.openJSON(wrapped, appID, "drain|"+drainID, sealed, &url)
	return url, err
}

// SealEnv seals what a one-off has besides its release's config.
func (k *Keyring) SealEnv(wrapped []byte, appID, runID string, env map[string]string) ([]byte, error) {
	return k.sealJSON(wrapped, appID, "env|"+runID, env)
}

// OpenEnv opens what SealEnv sealed.
func (k *Keyring) OpenEnv(wrapped []byte, appID, runID string, sealed []byte) (map[string]string, error) {
	env := map[string]string{}
	return env, k.openJSON(wrapped, appID, "env|"+runID, sealed, &env)
}

// SealCheck and OpenCheck prove that a master key belongs to a database.
func (k *Keyring) SealCheck() ([]byte, error) { return seal(k.master(), "check", []byte("paas")) }

// OpenCheck fails when the value was sealed with another master key.
func (k *Keyring) OpenCheck(sealed []byte) error {
	_, err := open(k.master(), "check", sealed)
	return err
}

func (k *Keyring) sealJSON(wrapped []byte, appID, what string, v any) ([]byte, error) {
	key, err := k.unwrap(wrapped, appID)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return seal(key, appID+"|"+what, plain)
}

func (k *Keyring) openJSON(wrapped []byte, appID, what string, sealed []byte, v any) error {
	key, err := k.unwrap(wrapped, appID)
	if err != nil {
		return err
	}
	plain, err := open(key, appID+"|"+what, sealed)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

func seal(key []byte, ad string, plain []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, []byte(ad)), nil
}

func open(key []byte, ad string, sealed []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, fmt.Errorf("sealed value is too short")
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(ad))
	if err != nil {
		return nil, fmt.Errorf("sealed value does not open: wrong master key, or it was moved or altered")
	}
	return plain, nil
}
