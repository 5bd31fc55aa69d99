package gitd

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// hostKey reads the host key. One that cannot be used is an error: a new key in
// its place would lock out everybody who knows the old one.
func hostKey(data []byte) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("read the SSH host key: %w (restore it from the backup)", err)
	}
	if signer.PublicKey().Type() != ssh.KeyAlgoED25519 {
		return nil, fmt.Errorf("read the SSH host key: it is a %s key, and an ed25519 key is needed", signer.PublicKey().Type())
	}
	return signer, nil
}

// CheckHostKey says what is wrong with a host key.
func CheckHostKey(data []byte) error {
	_, err := hostKey(data)
	return err
}

// NewHostKey makes a host key, in PEM.
func NewHostKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the SSH host key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, fmt.Errorf("make the SSH host key: %w", err)
	}
	return pem.EncodeToMemory(block), nil
}
