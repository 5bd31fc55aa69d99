package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

const maxDotEnv = 1 << 20 // bytes

var dotEnvKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// readDotEnv reads a .env file; one that is not there is empty, unless it was
// asked for by name.
func readDotEnv(path string, asked bool) (map[string]string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if info.Size() > maxDotEnv {
		return nil, fmt.Errorf("%s is larger than %d KB", path, maxDotEnv>>10)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	vars, err := parseDotEnv(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return vars, nil
}

// parseDotEnv reads KEY=VALUE lines. Values may stand in quotes; in double
// ones \n is a line break. Without quotes a # behind a blank begins a comment.
func parseDotEnv(text string) (map[string]string, error) {
	vars := map[string]string{}
	n := 0
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\uFEFF"), "\n") {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, found := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		key = strings.TrimSpace(key)
		if !found || !dotEnvKey.MatchString(key) {
			return nil, fmt.Errorf("line %d: %q is not of the form KEY=VALUE", n, line)
		}
		value, err := dotEnvValue(strings.TrimSpace(value))
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", n, key, err)
		}
		vars[key] = value
	}
	return vars, nil
}

func dotEnvValue(v string) (string, error) {
	if v == "" || v[0] != '"' && v[0] != '\'' {
		if i := strings.Index(v, " #"); i >= 0 {
			v = v[:i]
		}
		if strings.ContainsRune(v, 0) {
			return "", errors.New("the value holds a NUL byte")
		}
		return strings.TrimSpace(v), nil
	}
	quote := v[0]
	var b strings.Builder
	for i := 1; i < len(v); i++ {
		switch c := v[i]; {
		case c == quote:
			if rest := strings.TrimSpace(v[i+1:]); rest != "" && rest[0] != '#' {
				return "", errors.New("something follows the closing quote")
			}
			return b.String(), nil
		case c == 0:
			return "", errors.New("the value holds a NUL byte")
		case c == '\\' && quote == '"' && i+1 < len(v):
			i++
			switch v[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case '"', '\\', '$':
				b.WriteByte(v[i])
			default:
				b.WriteString(v[i-1 : i+1])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("the quote is not closed")
}
