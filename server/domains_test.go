package server

import (
	"strings"
	"testing"
)

func TestNormalHostname(t *testing.T) {
	long := strings.Repeat("a", 63)
	for in, want := range map[string]string{
		"www.example.com": "www.example.com", "WWW.Example.COM.": "www.example.com", " example.com ": "example.com",
		"*.example.com": "*.example.com", "*.Example.com.": "*.example.com", "münchen.example": "xn--mnchen-3ya.example",
		"ドメイン.テスト": "xn--eckwd4c7c.xn--zckzah", "faß.de": "xn--fa-hia.de", "xn--mnchen-3ya.example": "xn--mnchen-3ya.example",
		long + ".com": long + ".com", "a.co": "a.co", "notapps.test": "notapps.test",
		"": "", ".": "", "com": "", "localhost": "", "*": "", "*.": "", "*.com": "", "a.*.com": "", "**.example.com": "", "*.*.example.com": "",
		"www.example.com:80": "", "http://www.example.com": "", "www.example.com/path": "", "user@example.com": "",
		"192.0.2.1": "", "192.0.2.1:80": "", "2001:db8::1": "", "[2001:db8::1]": "", "::1": "", "1.2.3": "",
		"apps.test": "", "shop.apps.test": "", "*.apps.test": "", "a.b.apps.test": "", "SHOP.APPS.TEST.": "",
		"a..b.com": "", ".example.com": "", "-a.com": "", "a-.com": "", "a_b.com": "", "a b.com": "", "a.c-": "", "a\x00b.com": "", "a\nb.com": "",
		long + "a.com": "", strings.Repeat("a.", 130) + "com": "", "xn--zz--zz.com": "", "\u202e.com": "",
	} {
		got, err := NormalHostname(in, "apps.test")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
		if err != nil && !IsID(err, ErrInvalid) {
			t.Errorf("%q: not an error for people: %v", in, err)
		}
	}
}

// A wildcard of the domain above would be given what is sent to the platform's.
func TestWildcardOverThePlatform(t *testing.T) {
	for in, want := range map[string]string{"*.example.com": "", "*.Example.com.": "", "example.com": "example.com", "www.example.com": "www.example.com", "*.www.example.com": "*.www.example.com"} {
		if got, err := NormalHostname(in, "apps.example.com"); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
}

func FuzzNormalHostname(f *testing.F) {
	for _, s := range []string{"www.example.com", "*.Example.com.", "münchen.example", "192.0.2.1", "[::1]", "a..b", "xn--zz", "shop.apps.test"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		name, err := NormalHostname(in, "apps.test")
		if err != nil {
			return
		}
		if strings.Trim(strings.TrimPrefix(name, "*."), "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || len(name) > 253 {
			t.Fatalf("%q gives %q", in, name)
		}
		if name == "apps.test" || strings.HasSuffix(name, ".apps.test") {
			t.Fatalf("%q takes the platform's name %q", in, name)
		}
		if again, err := NormalHostname(name, "apps.test"); again != name {
			t.Fatalf("%q: %q, then %q %v", in, name, again, err)
		}
	})
}
