package server

import (
	"regexp"
	"strings"
	"testing"
)

func TestSecretsAreKnownByTheirForm(t *testing.T) {
	form := regexp.MustCompile(`^paas_[a-z2-7]{58}$`)
	s := newSecret(tokenPrefix)
	if !form.MatchString(s) || s == newSecret(tokenPrefix) {
		t.Fatalf("a secret is %s", s)
	}
	if mistyped(tokenPrefix, s) {
		t.Error("a good secret is refused")
	}
	// Any one character changed shows, but for the padding bits of the last.
	for i := len(tokenPrefix); i < len(s)-1; i++ {
		c := byte('a')
		if s[i] == c {
			c = 'b'
		}
		if bad := s[:i] + string(c) + s[i+1:]; !mistyped(tokenPrefix, bad) {
			t.Errorf("%s for %s is not noticed", bad, s)
		}
	}
	if mistyped(tokenPrefix, "paas_"+strings.Repeat("a", 52)) {
		t.Error("a token of an older installation is refused unasked")
	}
	if code := newSecret(codePrefix); mistyped(codePrefix, code) || !mistyped(tokenPrefix, tokenPrefix+strings.TrimPrefix(code, codePrefix)) {
		t.Error("the checksum does not cover the prefix")
	}
}

func TestEmails(t *testing.T) {
	for _, good := range []string{"ann@example.com", "a.b+c_d-e%f=g@x-1.example.co.uk", "operator@localhost", "_x@1.de", "A@B.C",
		strings.Repeat("a", 64) + "@" + strings.Repeat("b", 63) + ".com"} {
		if err := checkEmail(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "ann", "@", "ann@", "@example.com", "ann@@example.com", "ann@exa mple.com", "a b@example.com", "ann@example..com",
		"ann@-example.com", "ann@example-.com", "ann@.example.com", "ann@example.com.", "-ann@example.com", ".ann@example.com",
		"ann@example.com\n", "ann\x00@example.com", "ann\u202e@example.com", "аnn@example.com", "ann@exämple.com", "$(id)@example.com", "`id`@example.com",
		"a;id@example.com", "a'b@example.com", `"a"@example.com`, "a|b@example.com", "a&b@example.com", "<ann@example.com>", "ann@[127.0.0.1]", "ann@example.com,bob@example.com",
		strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("b", 64) + ".com", "a@" + strings.Repeat("b.", 130) + "com"} {
		if err := checkEmail(bad); !IsID(err, ErrInvalid) || !strings.Contains(err.Error(), "Nothing was changed") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzEmail(f *testing.F) {
	for _, s := range []string{"ann@example.com", "a@b", "$(x)@y", "a@b\n", "-o@x", strings.Repeat("a", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if checkEmail(in) != nil {
			return
		}
		if len(in) > 254 || strings.HasPrefix(in, "-") || strings.Count(in, "@") != 1 || strings.ContainsFunc(in, func(r rune) bool {
			return r > 0x7e || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+=-@", r)
		}) {
			t.Fatalf("took %q", in)
		}
	})
}

func FuzzMistyped(f *testing.F) {
	f.Add("paas_", newSecret(tokenPrefix))
	f.Add("paasjoin_", "paasjoin_"+strings.Repeat("é", 29))
	f.Fuzz(func(t *testing.T, prefix, in string) {
		if mistyped(prefix, in) && len(in) != len(prefix)+secretChars {
			t.Fatalf("%q is no form of ours and cannot be mistyped", in)
		}
	})
}

func TestPermissionLists(t *testing.T) {
	for in, want := range map[string]string{
		"": "view,deploy,operate", "deploy": "view,deploy", "manage,view,manage": "view,manage", "operate,deploy": "view,deploy,operate",
	} {
		var list []Permission
		for p := range strings.SplitSeq(in, ",") {
			if p != "" {
				list = append(list, Permission(p))
			}
		}
		got, err := permissionList(list)
		if err != nil || spellPermissions(got) != want {
			t.Errorf("%q: %v %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []Permission{"admin", "View", "view ", "", "view,deploy", "\x1b[2J"} {
		if _, err := permissionList([]Permission{PermView, bad}); !IsID(err, ErrInvalid) {
			t.Errorf("%q was taken", bad)
		}
	}
}
