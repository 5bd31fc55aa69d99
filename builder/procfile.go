package builder

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits of a Procfile.
const (
	maxProcfile = 64 << 10 // bytes
	maxTypes    = 100      // process types
	maxCommand  = 8 << 10  // bytes of one command
)

// ReleaseType is the process type that is not kept running: its command runs
// once for each release, before that takes traffic.
const ReleaseType = "release"

// WebType is the process type that takes requests.
const WebType = "web"

var processType = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// ParseProcfile reads the content of a Procfile: a line "<type>: <command>"
// for each process type. Lines that are empty or begin with # or // are
// passed over; a byte order mark and CRLF line ends are taken as they come.
// The error is for people: it names the line, by number and text.
func ParseProcfile(b []byte) (map[string]string, error) {
	if len(b) > maxProcfile {
		return nil, refusef("Procfile is larger than %d KB", maxProcfile>>10)
	}
	b = bytes.TrimPrefix(b, []byte("\uFEFF"))
	types, first := map[string]string{}, map[string]int{}
	n := 0
	for raw := range bytes.SplitSeq(b, []byte("\n")) {
		n++
		line := strings.Trim(string(bytes.TrimSuffix(raw, []byte("\r"))), " \t")
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "//") {
			continue
		}
		typ, command, err := procfileLine(line)
		if err == nil && first[typ] > 0 {
			err = fmt.Errorf("the process type %s is on line %d already", typ, first[typ])
		}
		if err != nil {
			return nil, refusef("Procfile line %d: %s: %v", n, excerpt(line), err)
		}
		types[typ], first[typ] = command, n
	}
	switch {
	case len(types) == 0:
		return nil, refusef(`Procfile declares no process type: it needs a line like "web: bin/server"`)
	case len(types) > maxTypes:
		return nil, refusef("Procfile declares %d process types; an app may have %d", len(types), maxTypes)
	}
	return types, nil
}

func procfileLine(line string) (typ, command string, err error) {
	typ, command, found := strings.Cut(line, ":")
	command = strings.Trim(command, " \t")
	switch {
	case !found:
		return "", "", errors.New(`not of the form "<type>: <command>"`)
	case !processType.MatchString(typ):
		return "", "", errors.New("a process type is 1 to 63 letters, digits, - and _, with a colon right behind")
	case command == "":
		return "", "", fmt.Errorf("the process type %s has no command", typ)
	}
	return typ, command, checkCommand(command)
}

// checkCommand refuses what no program could be given as its arguments, or a
// terminal be shown.
func checkCommand(command string) error {
	switch {
	case len(command) > maxCommand:
		return fmt.Errorf("the command is longer than %d KB", maxCommand>>10)
	case !utf8.ValidString(command):
		return errors.New("the command is not UTF-8")
	}
	for _, r := range command {
		if unicode.IsControl(r) && r != '\t' && r != '\n' {
			return fmt.Errorf("the command holds the control character %U", r)
		}
	}
	return nil
}

// excerpt quotes foreign text for a message, at most 80 bytes of it.
func excerpt(s string) string {
	const most = 80
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", s[:cut])
}

// refusef is a fault of the pushed files, said in one line.
func refusef(format string, args ...any) *Failure {
	return &Failure{Reason: fmt.Sprintf(format, args...)}
}
