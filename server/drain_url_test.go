package server

import (
	"strings"
	"testing"
)

func TestParseDrainURL(t *testing.T) {
	for raw, want := range map[string]string{
		"syslog://logs.example.com:514":           "syslog logs.example.com:514",
		"syslog://logs.example.com":               "syslog logs.example.com:514",
		"syslog+tls://logs.example.com/":          "syslog+tls logs.example.com:6514",
		"syslog://[2606:4700::1]:9000":            "syslog [2606:4700::1]:9000",
		"https://user:pw@logs.example.com/in?k=v": "https logs.example.com:443",
		"https://8.8.8.8:8443/":                   "https 8.8.8.8:8443",
	} {
		d, err := ParseDrainURL(raw)
		if got := d.Kind + " " + d.Addr(); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", raw, got, err, want)
		}
	}
	for raw, want := range map[string]string{
		"":                                     "not a URL",
		"logs.example.com:514":                 "not a URL",
		"http://logs.example.com/":             "plain http",
		"ftp://logs.example.com/":              `scheme "ftp"`,
		"syslog://u:secret@h:514":              "nothing else",
		"syslog://h:514/path":                  "nothing else",
		"https://h/#x":                         "fragment",
		"https://h:22/":                        "port 22",
		"https://h:0/":                         "none",
		"https://h:99999/":                     "none",
		"https://h_x!/":                        "no host name",
		"https://h /":                          "must be escaped",
		"https://h/\n":                         "must be escaped",
		"https://h\x00/":                       "must be escaped",
		"https://" + strings.Repeat("x", 3000): "longer than",
		"https:///path":                        "not a URL",
		"https://-h/":                          "no host name",
	} {
		_, err := ParseDrainURL(raw)
		if !IsID(err, ErrInvalid) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "No drain was added") {
			t.Errorf("%.40q: %v, want %q", raw, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%v shows a password", err)
		}
	}
}

func TestMaskDrainURL(t *testing.T) {
	for raw, want := range map[string]string{
		"syslog://h:514":                    "syslog://h:514",
		"https://user:pw@h/in?key=abc&x=&y": "https://****:****@h/in?key=****&x=****&****",
		"https://token@h:8443/a%20b":        "https://****@h:8443/a%20b",
	} {
		if got := MaskDrainURL(raw); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}

// FuzzDrainURL: what is accepted can be connected to, and its masked form
// holds neither password nor values.
func FuzzDrainURL(f *testing.F) {
	f.Add("https://user:s3cretpw@logs.example.com:8443/in?key=s3cretpw")
	f.Add("syslog+tls://[::1%25eth0]:6514")
	f.Add("https://a%40b:c@h/?q")
	f.Fuzz(func(t *testing.T, raw string) {
		d, err := ParseDrainURL(raw)
		if err != nil {
			if !IsID(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if d.Port < 1 || d.Port > 65535 || d.Host == "" || strings.ContainsAny(d.Host, " /@?#") {
			t.Fatalf("%q gives host %q, port %d", raw, d.Host, d.Port)
		}
		masked := MaskDrainURL(raw)
		if d.URL.User != nil {
			password, _ := d.URL.User.Password()
			if len(password) > 6 && !strings.Contains(d.Host+d.URL.Path, password) && strings.Contains(masked, password) {
				t.Fatalf("%q shows the password of %q", masked, raw)
			}
		}
		if again := MaskDrainURL(masked); d.URL.User == nil && d.URL.RawQuery == "" && again != masked {
			t.Fatalf("%q, masked again %q", masked, again)
		}
	})
}
