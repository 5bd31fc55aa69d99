package gitd

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
)

const pushCapabilities = "report-status delete-refs side-band-64k quiet ofs-delta object-format=sha1 agent=paas"

// advertise tells a pusher what the repository has. The newest commit taken is
// among it as ".have", so that pushing again after a failed deploy is cheap.
func advertise(w io.Writer, repo string) error {
	var lines []string
	known := map[string]bool{zeroID: true}
	for _, ref := range []string{refMain, refMaster, refPushed} {
		id, err := readRef(repo, ref)
		if err != nil {
			return err
		}
		if ref == refPushed {
			ref = ".have"
		}
		if id == zeroID || ref == ".have" && known[id] {
			continue
		}
		known[id] = true
		lines = append(lines, id+" "+ref)
	}
	if len(lines) == 0 {
		lines = []string{zeroID + " capabilities^{}"}
	}
	lines[0] += "\x00" + pushCapabilities
	shallow, err := readShallow(repo)
	if err != nil {
		return err
	}
	for _, id := range shallow {
		lines = append(lines, "shallow "+id)
	}
	var buf bytes.Buffer
	enc := pktline.NewEncoder(&buf)
	for _, l := range lines {
		if err := enc.EncodeString(l + "\n"); err != nil {
			return fmt.Errorf("list the refs: %w", err)
		}
	}
	if err := enc.Flush(); err != nil {
		return fmt.Errorf("list the refs: %w", err)
	}
	_, err = w.Write(buf.Bytes())
	return err
}

// refuse ends a conversation with git before it began: git prints
// "fatal: remote error: TEXT".
func refuse(w io.Writer, text string) error {
	return pktline.NewEncoder(w).EncodeString("ERR " + oneLine(text) + "\n")
}

// reportStatus are the lines that end a push: the fate of the pack and of
// every ref. An empty reason in results means that the ref is taken.
func reportStatus(unpack string, updates []refUpdate, results map[string]string) ([]byte, error) {
	if unpack == "" {
		unpack = "ok"
	}
	var buf bytes.Buffer
	enc := pktline.NewEncoder(&buf)
	if err := enc.EncodeString("unpack " + oneLine(unpack) + "\n"); err != nil {
		return nil, err
	}
	for _, u := range updates {
		line := "ok " + u.ref + "\n"
		if reason := results[u.ref]; reason != "" {
			line = "ng " + u.ref + " " + oneLine(reason) + "\n"
		}
		if err := enc.EncodeString(line); err != nil {
			return nil, err
		}
	}
	if err := enc.Flush(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
