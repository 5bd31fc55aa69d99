package server

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestWhatIsMasked(t *testing.T) {
	secret := map[string]string{
		"HEX":         "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"SHORT_HEX":   "a3f9c2e1b7",
		"B64":         "c2VjcmV0LXZhbHVlLWluLWJhc2U2NA==",
		"UUID":        "01234567-89ab-cdef-0123-456789abcdef",
		"STRIPE":      "sk_live_51H8abcDEFghiJKL2mnoPQR",
		"GITHUB":      "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
		"AWS":         "AKIAIOSFODNN7EXAMPLE",
		"MIXED":       "xK9#mP2$vL5@",
		"DATABASE":    "postgres://app:Zx81kLq0@db.internal:5432/app",
		"DB_PASSWORD": "correct horse battery",
		"API_TOKEN":   "opensesame",
		"SLACK":       "https://hooks.slack.com/services/T00000000/B00000000/XXXXyyyy1234zzzzQQQQ",
		"PASSPHRASE":  "öffne dich, sesam",
	}
	plain := map[string]string{
		"RACK_ENV": "production", "PORT2": "8080", "DEBUG": "true", "LOG_LEVEL": "info", "REGION": "us-east-1",
		"TZ": "Europe/Berlin", "LANG": "en_US.UTF-8", "DIR": "/var/lib/app/data", "HOST": "db.internal:5432",
		"URL": "https://www.example.com/callback/path", "VERSION": "v1.24.3-alpha.1", "DATE": "2026-11-21T10:00:00Z", "TYPE": "application/json",
		"MAIL": "someone@example.com", "MODEL": "gpt-4o-mini", "MEMORY": "512MB", "FLAGS": "--max-old-space-size=460", "CLASS": "MyApp.Settings.Production",
		"TIMEOUT": "30000000", "SORT_KEY": "created_at", "USE_TOKEN": "true", "TOKEN_LIFE": "86400000", "NAMES": "alice, bob, carol", "SHORT": "x1Y2z3",
	}
	for name, v := range secret {
		m := NewMasker(map[string]string{name: v})
		if got := m.Mask("before " + v + " after"); got != "before [masked "+name+"] after" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, v := range plain {
		line := "before " + v + " after"
		if got := NewMasker(map[string]string{name: v}).Mask(line); got != line {
			t.Errorf("%s: %q is torn into %q", name, v, got)
		}
	}
}

func TestPartsOfSecretsAreMasked(t *testing.T) {
	pem := "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\nVJTUt9Us8cKjMzEfYyjiWA4R4\n-----END PRIVATE KEY-----\n"
	m := NewMasker(map[string]string{
		"DATABASE_URL": "postgres://app:p%40ss9-Zx81@db.internal:5432/app?sslmode=require",
		"REDIS_URL":    "redis://default:postgres@cache:6379",
		"TLS_KEY":      pem,
		"ACCOUNT":      `{"type": "service_account", "private_key_id": "8f3c1d9a7be2", "note": "a\"Q9x7Zk1LmP", "client_email": "robot@example.com"}`,
		"worker/JUST":  "9f86d081884c7d65",
	})
	for _, c := range []struct{ in, want string }{
		{"connect to postgres://app:p%40ss9-Zx81@db.internal:5432/app?sslmode=require failed", "connect to [masked DATABASE_URL] failed"},
		{"password p%40ss9-Zx81 refused", "password [masked DATABASE_URL] refused"},
		{"password p@ss9-Zx81 refused", "password [masked DATABASE_URL] refused"},
		{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("app:p@ss9-Zx81")), "Authorization: Basic [masked DATABASE_URL]"},
		{"using postgres as the database", "using postgres as the database"},
		{"redis://default:postgres@other", "redis://default[masked REDIS_URL]other"},
		{"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7", "[masked TLS_KEY]"},
		{"  VJTUt9Us8cKjMzEfYyjiWA4R4 ", "  [masked TLS_KEY] "},
		{"-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"},
		{"key id 8f3c1d9a7be2 of robot@example.com", "key id [masked ACCOUNT] of robot@example.com"},
		{`note a"Q9x7Zk1LmP and a\"Q9x7Zk1LmP`, "note [masked ACCOUNT] and [masked ACCOUNT]"},
		{"9f86d081884c7d659f86d081884c7d65", "[masked JUST][masked JUST]"},
		{"9f86d081884c7d6", "9f86d081884c7d6"},
		{"", ""},
	} {
		if got := m.Mask(c.in); got != c.want {
			t.Errorf("%q\n got  %q\n want %q", c.in, got, c.want)
		}
	}
	if got := (*Masker)(nil).Mask("a line"); got != "a line" {
		t.Errorf("nil: %q", got)
	}
}

// The jumping search finds what a plain search finds.
func TestMaskerFindsAll(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	letters := "ab12"
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return string(b)
	}
	for range 2000 {
		config := map[string]string{}
		for i := range 1 + r.IntN(5) {
			config[fmt.Sprintf("MY_SECRET%d_TOKEN", i)] = word(8 + r.IntN(4))
		}
		m := NewMasker(config)
		line := word(r.IntN(20))
		for _, v := range config {
			line += v + word(r.IntN(6))
		}
		got := m.Mask(line)
		for k, v := range config {
			if NewMasker(map[string]string{k: v}) != nil && strings.Contains(got, v) {
				t.Fatalf("%s=%s is left in %q of %q", k, v, got, line)
			}
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add("postgres://u:secret99x@h/", "line with secret99x in it")
	f.Add(`{"a":"b\n12345678x"}`, "x")
	f.Add("\xff\xfe1234567z", "\x00\xff\xfe1234567z")
	f.Fuzz(func(t *testing.T, value, line string) {
		m := NewMasker(map[string]string{"A_TOKEN": value})
		out := m.Mask(line)
		if v := strings.TrimSpace(value); m != nil && secretText(v) && !strings.ContainsAny(v, "\n") && strings.Contains(out, v) && !strings.Contains("[masked A_TOKEN]", v) && !pemBorder.MatchString(v) {
			t.Errorf("%q is left in %q", v, out)
		}
	})
}

func benchConfig(n int) map[string]string {
	r := rand.New(rand.NewPCG(3, 4))
	config := map[string]string{}
	for i := range n {
		config[fmt.Sprintf("KEY_%d", i)] = fmt.Sprintf("%016x%08x", r.Uint64(), r.Uint32())
	}
	config["DATABASE_URL"] = "postgres://app:Zx81kLq0@db.internal:5432/app"
	return config
}

func BenchmarkMask(b *testing.B) {
	m := NewMasker(benchConfig(50))
	line := `10.1.2.3 - - [21/Nov/2026:10:00:00 +0000] "GET /api/v1/items?page=3 HTTP/1.1" 200 5316 "-" "Mozilla/5.0" request_id=8f3c1d9a-77be-4e2d-9f00-0123456789ab`
	for name, text := range map[string]string{"clean": line, "hit": line + " postgres://app:Zx81kLq0@db.internal:5432/app"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				_ = m.Mask(text)
			}
		})
	}
}
