package fleet_test

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"paas/scheduler/agent/agenttest"
	"paas/server/fleet"
)

func someTime() time.Time { return time.Now() }

func privateKey(t *testing.T, id fleet.Identity) crypto.PrivateKey {
	key, err := x509.ParsePKCS8PrivateKey(id.Key)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writeIdentity(t *testing.T, dir string, id fleet.Identity) {
	text, err := json.Marshal(id)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "identity.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// newRegistry answers with what it was asked, and by whom.
func newRegistry(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		fmt.Fprint(w, user, " ", password, " ", r.Method, " ", r.URL.Path)
	}))
	t.Cleanup(s.Close)
	return s
}

func port() string { return strconv.Itoa(agenttest.Port()) }
