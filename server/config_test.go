package server

import (
	"encoding/json"
	"fmt"
	"reflect"
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
	many := map[string]*string{}
	for i := range MaxConfigKeys {
		many[fmt.Sprintf("K%d", i)] = ptr("")
	}
	if _, err := mergeConfig(base, many); !IsID(err, ErrInvalid) || !strings.Contains(err.Error(), "it may have 1000") {
		t.Fatalf("too many keys: %v", err)
	}
}

// What is far too large is refused by name and limit before anything else.
func TestConfigLimits(t *testing.T) {
	err := checkPatch(map[string]*string{"BIG": ptr(strings.Repeat("x", 1_000_000))})
	if !IsID(err, ErrInvalid) || !strings.Contains(err.Error(), "The value of BIG has 1000000 bytes; all config vars of an app together may have 65536") {
		t.Errorf("1 MB: %v", err)
	}
	many := map[string]*string{}
	for i := range 10_000 {
		many[fmt.Sprintf("K%d", i)] = ptr("v")
	}
	if err := checkPatch(many); !IsID(err, ErrInvalid) || !strings.Contains(err.Error(), "names 10000 config vars; an app may have 1000") {
		t.Errorf("10,000 keys: %v", err)
	}
}

func TestConfigOfTypes(t *testing.T) {
	all := map[string]string{"A": "1", "B": "2", "worker/A": "w", "worker/C": "3", "clock/A": "c"}
	if got := ConfigFor(all, ""); len(got) != 2 || got["A"] != "1" {
		t.Errorf("general: %v", got)
	}
	if got := ConfigFor(all, "worker"); len(got) != 3 || got["A"] != "w" || got["B"] != "2" || got["C"] != "3" {
		t.Errorf("worker: %v", got)
	}
	if got := ConfigFor(all, "web"); len(got) != 2 {
		t.Errorf("web: %v", got)
	}
	for _, r := range []ConfigRequest{
		{Vars: map[string]*string{"worker/A": ptr("x")}}, {Type: "a/b", Vars: map[string]*string{"A": ptr("x")}},
		{Type: "work er", Vars: map[string]*string{"A": ptr("x")}}, {Type: "worker", Vars: map[string]*string{"PORT": ptr("1")}}, {},
	} {
		if _, err := r.patch(); !IsID(err, ErrInvalid) {
			t.Errorf("%+v: %v, want refused", r, err)
		}
	}
	p, err := ConfigRequest{Type: "worker", Vars: map[string]*string{"A": nil, "B": ptr("x")}}.patch()
	if err != nil || p.describe() != "Set B config vars of worker; Remove A config vars of worker" {
		t.Errorf("%q %v", p.describe(), err)
	}
}

// Patches that were queued by an older version are read as they were meant.
func TestPatchForms(t *testing.T) {
	var p ConfigPatch
	if err := json.Unmarshal([]byte(`{"A":"1","B":null}`), &p); err != nil || len(p.Vars) != 2 || *p.Vars["A"] != "1" || p.Vars["B"] != nil {
		t.Fatalf("%+v %v", p, err)
	}
	want := ConfigPatch{Vars: map[string]*string{"A": ptr("1"), "w/B": nil}, Files: map[string]*ConfigFile{"/f": {Content: []byte("\xff"), Raw: true}, "/g": nil}, Expect: 7}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got ConfigPatch
	if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: %+v %v", b, got, err)
	}
	later := ConfigPatch{Vars: map[string]*string{"A": nil}}
	if all := later.over(want); all.Vars["A"] != nil || len(all.Vars) != 2 || len(all.Files) != 2 || all.Expect != 0 {
		t.Errorf("%+v", all)
	}
}

func TestChangesOf(t *testing.T) {
	from := opened{config: map[string]string{"A": "1", "B": "2", "w/C": "3"}, files: map[string]ConfigFile{"/f": {Content: []byte("x")}}}
	to := opened{config: map[string]string{"A": "1", "B": "9", "D": "4"}, files: map[string]ConfigFile{"/f": {Content: []byte("x"), Raw: true}, "/g": {}}}
	got := fmt.Sprint(changesOf(from, to, ""))
	if want := "[{B  false changed} {D  false set} {C w false removed} {/f  true changed} {/g  true set}]"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := changesOf(from, to, "B"); len(got) != 1 {
		t.Errorf("of B: %v", got)
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
