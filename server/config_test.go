package server

import (
	"strings"
	"testing"
)

func ptr(s string) *string { return &s }

func TestConfigKeys(t *testing.T) {
	good := []string{"A", "DATABASE_URL", "a1", "_x", "LD_PRELOAD", "Z_9"}
	bad := []string{"", "1A", "A-B", "A=B", "A B", "A\x00", "A\nB", "__X", "PORT", "DYNO", "PAAS_X", "HEROKU_X", "é", strings.Repeat("A", 257)}
	for _, k := range good {
		if err := checkPatch(map[string]*string{k: ptr("v")}); err != nil {
			t.Errorf("%q: %v", k, err)
		}
	}
	for _, k := range bad {
		if err := checkPatch(map[string]*string{k: ptr("v")}); !IsID(err, ErrInvalid) {
			t.Errorf("%q: %v, want refused", k, err)
		}
	}
	for _, v := range []string{"a\x00b", "\xff"} {
		if err := checkPatch(map[string]*string{"A": &v}); !IsID(err, ErrInvalid) {
			t.Errorf("value %q: %v, want refused", v, err)
		}
	}
	if err := checkPatch(nil); !IsID(err, ErrInvalid) {
		t.Errorf("empty patch: %v", err)
	}
}

func TestMergeConfig(t *testing.T) {
	base := map[string]string{"A": "1", "B": "2"}
	got, err := mergeConfig(base, map[string]*string{"A": nil, "C": ptr("line one\nline = two ")})
	if err != nil || len(got) != 2 || got["C"] != "line one\nline = two " {
		t.Fatalf("%v %v", got, err)
	}
	if base["A"] != "1" {
		t.Fatal("the base was changed")
	}
	if _, err := mergeConfig(base, map[string]*string{"BIG": ptr(strings.Repeat("x", MaxConfigBytes))}); !IsID(err, ErrInvalid) {
		t.Fatalf("over the limit: %v", err)
	}
}

func TestDescribePatch(t *testing.T) {
	got := describePatch(map[string]*string{"B": ptr("secret"), "A": ptr("x"), "C": nil})
	if got != "Set A, B config vars; Remove C config vars" {
		t.Error(got)
	}
}

func TestSealedConfigIsBoundToItsPlace(t *testing.T) {
	k, err := NewKeyring([]byte(strings.Repeat("k", MasterKeySize)))
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.NewDataKey("app-1")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := k.SealConfig(key, "app-1", "r1", map[string]string{"A": "secret"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), "secret") {
		t.Fatal("not sealed")
	}
	if got, err := k.OpenConfig(key, "app-1", "r1", sealed); err != nil || got["A"] != "secret" {
		t.Fatalf("%v %v", got, err)
	}
	if _, err := k.OpenConfig(key, "app-1", "r2", sealed); err == nil {
		t.Error("opened for another release")
	}
	if _, err := k.OpenConfig(key, "app-2", "r1", sealed); err == nil {
		t.Error("opened for another app")
	}
	other, _ := NewKeyring([]byte(strings.Repeat("x", MasterKeySize)))
	if _, err := other.OpenConfig(key, "app-1", "r1", sealed); err == nil {
		t.Error("opened with another master key")
	}
	for n := range len(sealed) {
		if _, err := k.OpenConfig(key, "app-1", "r1", sealed[:n]); err == nil {
			t.Fatalf("opened when cut to %d bytes", n)
		}
	}
	check, err := k.SealCheck()
	if err != nil || k.OpenCheck(check) != nil || other.OpenCheck(check) == nil {
		t.Error("the master key check does not tell keys apart")
	}
}
