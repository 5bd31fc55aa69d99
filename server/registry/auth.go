package registry

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"paas/server/durable"
)

// Auth is a pair of credentials.
type Auth struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// ReadAuth reads credentials from a JSON file {"user":…,"password":…}. It
// refuses a file that others than its owner can read.
func ReadAuth(path string) (Auth, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Auth{}, fmt.Errorf("read the registry's credentials: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Auth{}, fmt.Errorf("the registry's credentials in %s are open to others (mode %04o); run: chmod 600 %s",
			path, info.Mode().Perm(), path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return Auth{}, fmt.Errorf("read the registry's credentials: %w", err)
	}
	var a Auth
	if err := json.Unmarshal(raw, &a); err != nil {
		return Auth{}, fmt.Errorf("read the registry's credentials in %s: %w", path, err)
	}
	if a.User == "" || a.Password == "" {
		return Auth{}, fmt.Errorf("the registry's credentials in %s have no user or no password", path)
	}
	return a, nil
}

// EnsureAuth reads the credentials at path and makes random ones on first use.
// The file appears whole or not at all.
func EnsureAuth(path string) (Auth, error) {
	a, err := ReadAuth(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	a = Auth{User: "paas", Password: rand.Text() + rand.Text()}
	raw, err := json.Marshal(a)
	if err != nil {
		return Auth{}, fmt.Errorf("write the registry's credentials: %w", err)
	}
	if err := durable.Write(path, append(raw, '\n')); err != nil {
		return Auth{}, fmt.Errorf("write the registry's credentials: %w", err)
	}
	return a, nil
}
