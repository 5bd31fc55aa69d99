package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"paas/server/api"
	"paas/server/durable"
)

// credentials are the logins this user has, by the server's SSH address.
type credentials struct {
	Default string               `json:"default"` // the newest login
	Servers map[string]api.Login `json:"servers"` // "localhost:2222"
	path    string
}

func (c *cli) credentials() (*credentials, error) {
	dir, err := c.configDir()
	if err != nil {
		return nil, err
	}
	k := &credentials{path: filepath.Join(dir, "credentials.json")}
	b, err := os.ReadFile(k.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read logins: %w", err)
	}
	if err == nil {
		if err := json.Unmarshal(b, k); err != nil {
			return nil, fmt.Errorf("read logins: %s: %w. Remove the file and log in again", k.path, err)
		}
	}
	if k.Servers == nil {
		k.Servers = map[string]api.Login{}
	}
	return k, nil
}

// save replaces the file as a whole; only its owner can read it.
func (k *credentials) save() error {
	dir := filepath.Dir(k.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep login: %w", err)
	}
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return fmt.Errorf("keep login: %w", err)
	}
	if err := durable.Write(k.path, append(b, '\n')); err != nil {
		return fmt.Errorf("keep login: %w", err)
	}
	return nil
}
