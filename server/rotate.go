package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"paas/server/failpoint"
)

// KeyFile keeps the master key outside of the database.
type KeyFile interface {
	// WriteKeys stores keys, the newest first, and returns when that survives
	// a loss of power.
	WriteKeys(keys ...[]byte) error
}

// KeyID names a master key without telling it: the beginning of a hash.
func KeyID(master []byte) string {
	sum := sha256.Sum256(append([]byte("paas master key id\x00"), master...))
	return hex.EncodeToString(sum[:8])
}

// KeyID names the master key that wraps now.
func (k *Keyring) KeyID() string { return KeyID(k.master()) }

// MasterKey is the id of the master key. Admins only.
func (s *Service) MasterKey(_ context.Context, actor Actor) (string, error) {
	if !actor.Admin || !actor.has() {
		return "", Errorf(ErrForbidden, "Only an admin may see which master key there is.")
	}
	return s.keyring.KeyID(), nil
}

// RotateMasterKey makes a new master key and wraps all data keys with it; what
// they seal stays as it is. It runs in the server, which alone knows that no
// data key is being made meanwhile, and which goes on working throughout.
//
// It may be killed at any point: the file holds the new key and the old ones
// until the database is wrapped with the new one, in one transaction together
// with the check value. A start that finds several keys finishes that first
// (FinishRotation).
func (s *Service) RotateMasterKey(ctx context.Context, actor Actor) (keyID string, apps int, err error) {
	if !actor.Admin || !actor.has() {
		return "", 0, Errorf(ErrForbidden, "Only an admin may change the master key. Nothing was changed.")
	}
	if s.cfg.Keys == nil {
		return "", 0, Errorf(ErrUnavailable, "This server does not keep the master key. Nothing was changed.")
	}
	list, err := s.store.Servers(ctx)
	if err != nil {
		return "", 0, err
	}
	for _, e := range list { // the store asks again, when none can start any more
		if e.Alive() && e.ID != s.cfg.Server {
			return "", 0, &Error{ID: ErrConflict, Message: "The server " + e.Name + " runs with the present master key. Nothing was changed.",
				Next: "Stop all servers but one, rotate, and copy its master.key to the others before they start."}
		}
	}
	return s.keyring.rotate(ctx, s.store, s.cfg.Keys, actor.Email)
}

func (k *Keyring) rotate(ctx context.Context, store ConfigStore, file KeyFile, actor string) (string, int, error) {
	k.making.Lock() // until the end: of two rotations one waits for the other
	defer k.making.Unlock()
	fresh := make([]byte, MasterKeySize)
	rand.Read(fresh)
	failpoint.Hit("rotate.begun")
	if err := file.WriteKeys(append([][]byte{fresh}, k.all()...)...); err != nil {
		return "", 0, fmt.Errorf("write the new master key beside the old: %w", err)
	}
	failpoint.Hit("rotate.both_keys")
	k.learn(fresh) // whoever reads a row wrapped with it can open it at once
	// On an error all keys stay: whether it was committed may not be known.
	apps, err := k.rewrap(ctx, store, fresh, actor)
	if IsID(err, ErrConflict) { // refused: nothing was wrapped with it
		k.forget()
		return "", 0, errors.Join(err, file.WriteKeys(k.all()...))
	}
	if err != nil {
		return "", 0, err
	}
	failpoint.Hit("rotate.wrapped")
	k.prefer(fresh)
	if err := file.WriteKeys(fresh); err != nil {
		return "", 0, fmt.Errorf("all data keys are wrapped with the new master key; remove the old one from its file: %w", err)
	}
	failpoint.Hit("rotate.done")
	return KeyID(fresh), apps, nil
}

// rewrap wraps all data keys with a master key, whichever known one they are
// wrapped with.
func (k *Keyring) rewrap(ctx context.Context, store ConfigStore, master []byte, actor string) (int, error) {
	check, err := seal(master, "check", []byte("paas"))
	if err != nil {
		return 0, err
	}
	apps, err := store.Rewrap(ctx, actor, KeyID(master), check, func(appID string, wrapped []byte) ([]byte, error) {
		key, err := k.unwrap(wrapped, appID)
		if err != nil {
			return nil, err
		}
		return seal(master, dataKeyOf(appID), key)
	})
	if err != nil {
		return 0, fmt.Errorf("wrap the data keys with the new master key: %w", err)
	}
	return apps, nil
}

// OpenKeys makes the keyring of a database from the keys in the file, newest
// first, if one of them opens its check value.
func OpenKeys(check []byte, keys [][]byte) (*Keyring, error) {
	right := false
	for _, key := range keys {
		k, err := NewKeyring(key)
		if err != nil {
			return nil, err
		}
		right = right || k.OpenCheck(check) == nil
	}
	if !right {
		return nil, fmt.Errorf("none of %d keys opens the check value", len(keys))
	}
	return &Keyring{masters: keys}, nil
}

// FinishRotation ends a rotation that was interrupted: everything is wrapped
// with the newest key, and the others go. Without one it does nothing.
func (k *Keyring) FinishRotation(ctx context.Context, store ConfigStore, file KeyFile) error {
	k.making.Lock()
	defer k.making.Unlock()
	if len(k.all()) < 2 {
		return nil
	}
	newest := k.master()
	if _, err := k.rewrap(ctx, store, newest, "paas"); err != nil {
		return err
	}
	if err := file.WriteKeys(newest); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.masters = k.masters[:1]
	return nil
}

func (k *Keyring) all() [][]byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return slices.Clone(k.masters)
}

// learn adds a key that unwraps.
func (k *Keyring) learn(master []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.masters = append(k.masters, master)
}

// forget takes away the key that was learned last.
func (k *Keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.masters = k.masters[:len(k.masters)-1]
}

// prefer makes a known key the one that wraps. The others go on unwrapping
// what was read before; they end with the process.
func (k *Keyring) prefer(master []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.masters = append([][]byte{master}, k.masters...)
}
