// Package fleet connects agents on other machines with the control plane. The
// agents dial out: a host opens no port towards the control plane.
//
//	agent                                  control plane
//	Client (agent.Control) ──mTLS, HTTP/2──► Server ──► server.Control, server.Fleet
//	Proxy (loopback registry) ─────────────► Server ──► registry, read-only
//
// A host joins once, by a token and the fingerprint of the control plane's
// root certificate. From then on its certificate, renewed by itself, says who
// it is. What it is to run comes signed, so a host believes nobody in between.
package fleet

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"paas/scheduler/agent"
	"paas/server"
)

// The limits of the wire.
const (
	maxSet     = 256 << 20 // bytes of one set of assignments: files of 1 MB for each of some hundred instances
	maxBody    = 8 << 20   // of any other message
	maxBeat    = 256 << 10 // of a sign of life, with what the host has
	maxJoin    = 16 << 10  // of a message of somebody unknown
	bodyLimit  = 20 * time.Second
	quietLimit = 15 * time.Second // silence after which a stream is taken for dead
	keepAlive  = 5 * time.Second  // between two frames of a stream

	pingAfter = 3 * time.Second // silence after which a connection is asked
	pingLimit = 3 * time.Second // for the answer
)

// joinRequest is POST /v1/join, of POST /v1/renew the CSR alone, and of
// POST /v1/announce what the machine has.
type joinRequest struct {
	Token    string `json:"token"`
	CSR      []byte `json:"csr"` // DER
	Arch     string `json:"arch"`
	MilliCPU int64  `json:"milli_cpu"`
	Memory   int64  `json:"memory"` // bytes
	Addr     string `json:"addr"`   // where its instances are published; empty: as the control plane sees it
	Agent    string `json:"agent"`  // versions
	Engine   string `json:"engine"`
	Boot     string `json:"boot,omitempty"`
	// Findings are what paas doctor found there and is not in order.
	Findings few[server.Finding] `json:"findings,omitempty"`
	// Unexamined says that they are to come: those of before are kept until then.
	Unexamined bool `json:"unexamined,omitempty"`
	Former     bool `json:"former,omitempty"` // it was paas standalone's own host
}

// joinReply is its answer, and only with Certificate that of POST /v1/renew.
type joinReply struct {
	Host        string `json:"host,omitempty"`
	Name        string `json:"name,omitempty"`
	SignKey     []byte `json:"sign_key,omitempty"` // Ed25519, by which sets are signed
	Servers     []byte `json:"servers,omitempty"`  // the signed list of them, if there are several
	Certificate []byte `json:"certificate"`        // DER
	// Edge is there for routers, which have no SignKey.
	Edge *edgeInfo `json:"edge,omitempty"`
}

// set is what a host is to run, as it is signed.
type set struct {
	Epoch       int64        `json:"epoch"`
	Seq         int64        `json:"seq"` // grows within an epoch, which one process has
	Host        string       `json:"host"`
	Assignments []assignment `json:"assignments"`
}

// assignment carries bytes that are not text unharmed.
type assignment struct {
	agent.Assignment
	Env     map[string][]byte
	Command [][]byte
}

func wrap(list []agent.Assignment) []assignment {
	out := make([]assignment, len(list))
	for i, a := range list {
		w := assignment{Assignment: a}
		w.Assignment.Env, w.Assignment.Command = nil, nil
		if a.Env != nil {
			w.Env = make(map[string][]byte, len(a.Env))
		}
		for k, v := range a.Env {
			w.Env[k] = []byte(v)
		}
		w.Command = byteStrings(a.Command)
		out[i] = w
	}
	return out
}

func unwrap(list []assignment) []agent.Assignment {
	out := make([]agent.Assignment, len(list))
	for i, w := range list {
		a := w.Assignment
		a.Env = plainMap(w.Env)
		a.Command = plainStrings(w.Command)
		out[i] = a
	}
	return out
}

func plainMap(m map[string][]byte) map[string]string {
	if m == nil {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = string(v)
	}
	return out
}

// byteStrings keeps apart a list that is empty and one that is not there.
func byteStrings(list []string) [][]byte {
	if list == nil {
		return nil
	}
	out := make([][]byte, len(list))
	for i, s := range list {
		out[i] = []byte(s)
	}
	return out
}

func plainStrings(list [][]byte) []string {
	if list == nil {
		return nil
	}
	out := make([]string, len(list))
	for i, b := range list {
		out[i] = string(b)
	}
	return out
}

// line is an agent.Line; whose it is the control plane knows by the instance.
type line struct {
	Instance string    `json:"i"`
	At       time.Time `json:"t"`
	Text     []byte    `json:"x"`
	Platform bool      `json:"p,omitempty"`
}

// logBatch is POST /v1/logs. Again says that it was sent before and may have
// been taken.
type logBatch struct {
	Lines few[line] `json:"lines"`
	Again bool      `json:"again,omitempty"`
}

// usageBatch is POST /v1/usage.
type usageBatch struct {
	At    time.Time        `json:"at"`
	Usage few[agent.Usage] `json:"usage"`
}

// hostBeat is POST /v1/beat.
type hostBeat struct {
	agent.Beat
	Servers string `json:"servers,omitempty"` // sumOf the list the host has
}

// inOffice is what a server answers that leads.
type inOffice struct {
	Epoch   int64  `json:"epoch"`
	Servers []byte `json:"servers,omitempty"` // the signed list, when the other end has another
}

// problem is the body of an answer that is no success. A server that does not
// lead says in it who does, and who else there is.
type problem struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	Leader  string `json:"leader,omitempty"`
	Servers []byte `json:"servers,omitempty"`
}

// writeFrame writes one frame of a stream: its length in four bytes, and it.
// An empty one only says that the other end is there.
func writeFrame(w io.Writer, b []byte) error {
	_, err := w.Write(append(frameHead(nil, len(b)), b...))
	return err
}

func frameHead(dst []byte, n int) []byte { return binary.BigEndian.AppendUint32(dst, uint32(n)) }

// readFrame reads one frame of at most limit bytes.
func readFrame(r io.Reader, limit uint32) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > limit {
		return nil, fmt.Errorf("a frame of %d bytes is over the limit of %d", n, limit)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}
