package builder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The limits of a JSON file that people write.
const (
	maxJSON  = 256 << 10 // bytes
	maxDepth = 16        // of nesting
)

// jsonText is a JSON file under inspection. It knows lines and columns, which
// a message to the person who wrote it has to name.
type jsonText struct {
	name string
	b    []byte
}

// node is one value with the place it stands at. Exactly one of the fields
// after at is set, none for null.
type node struct {
	at     int // byte offset
	str    *string
	num    *json.Number
	flag   *bool
	list   []node
	object *object
}

// object keeps the order of its fields, and where each name stands.
type object struct{ fields []field }

type field struct {
	name  string
	at    int
	value node
}

// kind names what a value is.
func (n node) kind() string {
	switch {
	case n.str != nil:
		return "a string"
	case n.num != nil:
		return "a number"
	case n.flag != nil:
		return "true or false"
	case n.object != nil:
		return "an object"
	case n.list != nil:
		return "a list"
	}
	return "null"
}

// errorf makes an error that says where.
func (t *jsonText) errorf(at int, format string, args ...any) error {
	line, column := t.place(at)
	return fmt.Errorf("%s line %d, column %d: %s", t.name, line, column, fmt.Sprintf(format, args...))
}

// place turns an offset into line and column, both from 1; columns count characters.
func (t *jsonText) place(at int) (line, column int) {
	before := t.b[:min(max(at, 0), len(t.b))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

// parse reads the whole file as one value.
func (t *jsonText) parse() (node, error) {
	if len(t.b) > maxJSON {
		return node{}, fmt.Errorf("%s is larger than %d KB", t.name, maxJSON>>10)
	}
	t.b = bytes.TrimPrefix(t.b, []byte("\uFEFF"))
	for i, rest := 0, t.b; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			return node{}, t.errorf(i, "a byte that is not UTF-8")
		}
		i, rest = i+size, rest[size:]
	}
	r := &jsonReader{text: t, dec: json.NewDecoder(bytes.NewReader(t.b))}
	r.dec.UseNumber()
	root, err := r.value(0)
	if err != nil {
		return node{}, err
	}
	if end := r.next(); end < len(t.b) {
		return node{}, t.errorf(end, "something follows the end of the JSON text")
	}
	return root, nil
}

type jsonReader struct {
	text *jsonText
	dec  *json.Decoder
}

// next is where the next token begins.
func (r *jsonReader) next() int {
	at := int(r.dec.InputOffset())
	for at < len(r.text.b) && bytes.IndexByte([]byte(" \t\r\n,:"), r.text.b[at]) >= 0 {
		at++
	}
	return at
}

func (r *jsonReader) token() (json.Token, error) {
	at := r.next()
	tok, err := r.dec.Token()
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return tok, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, r.text.errorf(len(r.text.b), "the JSON text ends too early")
	case errors.As(err, &syntax):
		return nil, r.text.errorf(r.offending(syntax), "%s", syntax.Error())
	}
	return nil, r.text.errorf(at, "%s", err)
}

// offending is where the byte is that an error speaks of: at its offset, or,
// when the error arose within a value, before it.
func (r *jsonReader) offending(err *json.SyntaxError) int {
	at := int(err.Offset)
	if at < len(r.text.b) && strings.Contains(err.Error(), strconv.QuoteRune(rune(r.text.b[at]))) {
		return at
	}
	return at - 1
}

func (r *jsonReader) value(depth int) (node, error) {
	n := node{at: r.next()}
	if depth > maxDepth {
		return n, r.text.errorf(n.at, "values are nested more than %d deep", maxDepth)
	}
	tok, err := r.token()
	if err != nil {
		return n, err
	}
	switch v := tok.(type) {
	case string:
		n.str = &v
	case json.Number:
		n.num = &v
	case bool:
		n.flag = &v
	case json.Delim:
		if v == '[' {
			n.list, err = r.list(depth)
		} else {
			n.object, err = r.object(depth)
		}
	}
	return n, err
}

func (r *jsonReader) list(depth int) ([]node, error) {
	all := []node{}
	for r.dec.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	_, err := r.token()
	return all, err
}

func (r *jsonReader) object(depth int) (*object, error) {
	o, seen := &object{}, map[string]bool{}
	for r.dec.More() {
		f := field{at: r.next()}
		tok, err := r.token()
		if err != nil {
			return nil, err
		}
		f.name, _ = tok.(string) // the decoder lets nothing else be a name
		if seen[f.name] {
			return nil, r.text.errorf(f.at, "the key %s is there twice", excerpt(f.name))
		}
		seen[f.name] = true
		if f.value, err = r.value(depth + 1); err != nil {
			return nil, err
		}
		o.fields = append(o.fields, f)
	}
	_, err := r.token()
	return o, err
}
