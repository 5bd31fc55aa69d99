package server

import (
	"crypto/rsa"

	"golang.org/x/crypto/ssh"
)

// rsaBits is the size of an RSA public key, 0 for another kind.
func rsaBits(pub ssh.PublicKey) int {
	c, ok := pub.(ssh.CryptoPublicKey)
	if !ok {
		return 0
	}
	k, ok := c.CryptoPublicKey().(*rsa.PublicKey)
	if !ok {
		return 0
	}
	return k.N.BitLen()
}
