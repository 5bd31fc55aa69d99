package server

import (
	"maps"
	"testing"
)

func TestNextConfigHasWhatIsStaged(t *testing.T) {
	one, two := "1", "2"
	sheet := ConfigSheet{Vars: map[string]map[string]string{"": {"A": "0", "B": "0"}},
		Staged: StagedConfig{Patch: ConfigPatch{Vars: map[string]*string{"A": &one, "B": nil, "web/A": &two}}}}
	if got := sheet.Next(""); !maps.Equal(got, map[string]string{"A": "1"}) {
		t.Error(got)
	}
	if got := sheet.Next("web"); !maps.Equal(got, map[string]string{"A": "2"}) {
		t.Error(got)
	}
	if sheet.Vars[""]["B"] != "0" || sheet.Vars["web"] != nil {
		t.Error("what is there was changed")
	}
}
