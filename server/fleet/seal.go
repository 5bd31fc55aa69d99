package fleet

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
)

// What is signed begins with what it is, so that a signature is good for
// nothing else.
const (
	signedPrefix  = "paas assignments 1\x00"
	serversPrefix = "paas servers 1\x00"
)

// seal signs a set: the signature and then the JSON.
func seal(key ed25519.PrivateKey, s set) ([]byte, error) { return sealAs(signedPrefix, key, s) }

func sealAs(prefix string, key ed25519.PrivateKey, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append(ed25519.Sign(key, append([]byte(prefix), text...)), text...), nil
}

var errSignature = errors.New("the set of assignments is not signed by the control plane that this host joined")

// unseal checks who signed a set and reads it.
func unseal(key ed25519.PublicKey, sealed []byte) (s set, err error) {
	text, ok := signedText(signedPrefix, key, sealed)
	if !ok {
		return s, errSignature
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read a set of assignments: %w", err)
	}
	return s, nil
}

// signedText is what was signed, if the signature is good.
func signedText(prefix string, key ed25519.PublicKey, sealed []byte) (text []byte, ok bool) {
	if len(sealed) < ed25519.SignatureSize || len(key) != ed25519.PublicKeySize {
		return nil, false
	}
	sig, text := sealed[:ed25519.SignatureSize], sealed[ed25519.SignatureSize:]
	return text, ed25519.Verify(key, append([]byte(prefix), text...), sig)
}

// sealServers signs the list of the control plane's servers.
func sealServers(key ed25519.PrivateKey, list []string) ([]byte, error) {
	return sealAs(serversPrefix, key, list)
}

// unsealServers checks who signed a list of servers and reads it.
func unsealServers(key ed25519.PublicKey, sealed []byte) ([]string, error) {
	text, ok := signedText(serversPrefix, key, sealed)
	if !ok {
		return nil, errors.New("the list of servers is not signed by the control plane that this host joined")
	}
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read the list of servers: %w", err)
	}
	if len(list) == 0 || len(list) > maxPeers {
		return nil, fmt.Errorf("the list of servers has %d entries", len(list))
	}
	for _, addr := range list {
		if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("the list of servers has %q, which is no HOST:PORT", addr)
		}
	}
	return list, nil
}

// sumOf tells signed lists apart.
func sumOf(sealed []byte) string {
	if len(sealed) == 0 {
		return ""
	}
	sum := sha256.Sum256(sealed)
	return hex.EncodeToString(sum[:8])
}
