package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProviderFlags(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("s3cret\n"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for label, c := range map[string]struct {
		p    provider
		want string // of the error; empty for none
	}{
		"none":             {provider{}, ""},
		"all":              {provider{issuer: "https://id.example.com", clientID: "paas", secretFile: file("good", 0o600)}, ""},
		"no secret":        {provider{issuer: "https://id.example.com", clientID: "paas"}, ""},
		"no client":        {provider{issuer: "https://id.example.com"}, "belong together"},
		"no issuer":        {provider{clientID: "paas"}, "belong together"},
		"a secret alone":   {provider{secretFile: file("alone", 0o600)}, "belong together"},
		"no such file":     {provider{issuer: "https://id.example.com", clientID: "paas", secretFile: dir + "/none"}, "no such file"},
		"readable for all": {provider{issuer: "https://id.example.com", clientID: "paas", secretFile: file("open", 0o644)}, "chmod 600"},
	} {
		err := c.p.check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", label, err)
		}
		if label == "all" && c.p.secret != "s3cret" {
			t.Errorf("the secret is %q", c.p.secret)
		}
	}
}
