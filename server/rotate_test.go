package server

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// vault is a database of data keys and the file of master keys beside it, as
// far as a rotation sees them. It dies when budget steps are done: before or
// after the step took place.
type vault struct {
	ConfigStore
	keys   [][]byte          // in the file
	apps   map[string][]byte // wrapped
	check  []byte
	budget int
	after  bool
}

var errKilled = errors.New("killed")

func (v *vault) step(do func() error) error {
	v.budget--
	if v.budget < 0 || v.budget == 0 && !v.after {
		return errKilled
	}
	if err := do(); err != nil {
		return err
	}
	if v.budget == 0 {
		return errKilled
	}
	return nil
}

func (v *vault) WriteKeys(keys ...[]byte) error {
	return v.step(func() error { v.keys = slices.Clone(keys); return nil })
}

func (v *vault) Rewrap(_ context.Context, _, _ string, check []byte, rewrap func(string, []byte) ([]byte, error)) (int, error) {
	return len(v.apps), v.step(func() error {
		done := map[string][]byte{}
		for id, key := range v.apps {
			k, err := rewrap(id, key)
			if err != nil {
				return err
			}
			done[id] = k
		}
		v.apps, v.check = done, check
		return nil
	})
}

// Wherever a rotation dies, and wherever the start that finishes it dies, the
// next start opens everything, and one key is left in the end.
func TestRotationSurvivesDeath(t *testing.T) {
	const plenty = 1 << 30
	old := []byte(strings.Repeat("o", MasterKeySize))
	for budget := 1; budget <= 4; budget++ {
		for _, after := range []bool{false, true} {
			for again := 1; again <= 3; again++ {
				k, err := NewKeyring(old)
				if err != nil {
					t.Fatal(err)
				}
				v := &vault{keys: [][]byte{old}, apps: map[string][]byte{}, budget: budget, after: after}
				v.check, _ = k.SealCheck()
				for _, id := range []string{"a", "b"} {
					v.apps[id], _ = k.NewDataKey(id)
				}
				sealed, _ := k.SealConfig(v.apps["a"], "a", "r1", map[string]string{"A": "value"})
				_, _, err = k.rotate(t.Context(), v, v, "ann")
				if (err == nil) != (budget > 3) && !errors.Is(err, errKilled) {
					t.Fatalf("budget %d: %v", budget, err)
				}
				// What still runs goes on reading, whichever key is on a row.
				if c, err := k.OpenConfig(v.apps["a"], "a", "r1", sealed); err != nil || c["A"] != "value" {
					t.Fatalf("budget %d: the process that rotated: %v %v", budget, c, err)
				}
				for _, steps := range []int{again, plenty} {
					if k, err = OpenKeys(v.check, v.keys); err != nil {
						t.Fatalf("budget %d after %v: start: %v", budget, after, err)
					}
					v.budget = steps
					err = k.FinishRotation(t.Context(), v, v)
				}
				if err != nil || len(v.keys) != 1 || k.OpenCheck(v.check) != nil {
					t.Fatalf("budget %d after %v again %d: %v, %d keys", budget, after, again, err, len(v.keys))
				}
				last, _ := NewKeyring(v.keys[0])
				if c, err := last.OpenConfig(v.apps["a"], "a", "r1", sealed); err != nil || c["A"] != "value" {
					t.Fatalf("budget %d after %v: %v %v", budget, after, c, err)
				}
				if _, err := last.OpenConfig(v.apps["b"], "a", "r1", sealed); err == nil {
					t.Fatal("opened with the data key of another app")
				}
			}
		}
	}
}

func TestRotationLeavesTheOldKeyUseless(t *testing.T) {
	old := []byte(strings.Repeat("o", MasterKeySize))
	k, _ := NewKeyring(old)
	before := k.KeyID()
	v := &vault{keys: [][]byte{old}, apps: map[string][]byte{}, budget: 1 << 30}
	v.apps["a"], _ = k.NewDataKey("a")
	id, n, err := k.rotate(t.Context(), v, v, "ann")
	if err != nil || n != 1 || id == before || id != k.KeyID() || bytes.Equal(v.keys[0], old) || len(v.keys) != 1 {
		t.Fatalf("%s %d %v, %d keys", id, n, err, len(v.keys))
	}
	gone, _ := NewKeyring(old)
	if _, err := gone.unwrap(v.apps["a"], "a"); err == nil || gone.OpenCheck(v.check) == nil {
		t.Error("the old key still opens")
	}
	if _, err := OpenKeys(v.check, [][]byte{old}); err == nil {
		t.Error("a start with the old key goes through")
	}
	// A data key made after the rotation is wrapped with the new one.
	key, _ := k.NewDataKey("c")
	now, _ := NewKeyring(v.keys[0])
	if _, err := now.unwrap(key, "c"); err != nil {
		t.Error(err)
	}
}
