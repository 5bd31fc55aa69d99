package server

import (
	"crypto/rand"
	"encoding/json"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// Keyring seals what must not be readable in the database: a data key of its
// own per app, wrapped by the master key that lives in a file beside it.
// Every sealed value is bound to where it belongs (RELIABILITY §4): moved to
// another app or release it does not open.
type Keyring struct{ master []byte }

// MasterKeySize is the length of the master key in bytes.
const MasterKeySize = chacha20poly1305.KeySize

// NewKeyring takes a master key of MasterKeySize random bytes.
func NewKeyring(master []byte) (*Keyring, error) {
	if len(master) != MasterKeySize {
		return nil, fmt.Errorf("master key has %d bytes, want %d", len(master), MasterKeySize)
	}
	return &Keyring{master: master}, nil
}

// NewDataKey makes an app's data key, wrapped.
func (k *Keyring) NewDataKey(appID string) ([]byte, error) {
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key)
	return seal(k.master, "app|"+appID, key)
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
func (k *Keyring) SealPatch(wrapped []byte, appID, deployID string, patch map[string]*string) ([]byte, error) {
	return k.sealJSON(wrapped, appID, "patch|"+deployID, patch)
}

// OpenPatch opens what SealPatch sealed.
func (k *Keyring) OpenPatch(wrapped []byte, appID, deployID string, sealed []byte) (map[string]*string, error) {
	patch := map[string]*string{}
	return patch, k.openJSON(wrapped, appID, "patch|"+deployID, sealed, &patch)
}

// SealCheck and OpenCheck prove that a master key belongs to a database.
func (k *Keyring) SealCheck() ([]byte, error) { return seal(k.master, "check", []byte("paas")) }

// OpenCheck fails when the value was sealed with another master key.
func (k *Keyring) OpenCheck(sealed []byte) error {
	_, err := open(k.master, "check", sealed)
	return err
}

func (k *Keyring) sealJSON(wrapped []byte, appID, what string, v any) ([]byte, error) {
	key, err := open(k.master, "app|"+appID, wrapped)
	if err != nil {
		return nil, fmt.Errorf("unwrap data key: %w", err)
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return seal(key, appID+"|"+what, plain)
}

func (k *Keyring) openJSON(wrapped []byte, appID, what string, sealed []byte, v any) error {
	key, err := open(k.master, "app|"+appID, wrapped)
	if err != nil {
		return fmt.Errorf("unwrap data key: %w", err)
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
