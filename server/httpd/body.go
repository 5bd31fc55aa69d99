package httpd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"paas/server"
)

// decode reads a JSON body of at most 1 MiB into v. Fields that the API does
// not know are ignored, as Heroku ignores them; a wrong type is refused by the
// field's name. Text that JSON would change silently (invalid UTF-8, halves of
// surrogate pairs) is refused, because config is kept byte by byte.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		return readError(err)
	}
	// The deadline was for this body; a stream that follows reads on.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	if !exactText(body) {
		return server.Errorf(errBadRequest, "The body holds text that is not UTF-8. Nothing was changed.")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(v); err != nil {
		return decodeError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return server.Errorf(errBadRequest, "The body holds more than one JSON value. Nothing was changed.")
	}
	return nil
}

func readError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return server.Errorf(server.ErrTooLarge, "The body is larger than %d bytes. Nothing was changed.", large.Limit)
	}
	return server.Errorf(errBadRequest, "The body could not be read to its end. Nothing was changed.")
}

func decodeError(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		field := wrong.Field
		if field == "" {
			return server.Errorf(server.ErrInvalid, "The body must be %s, not %s. Nothing was changed.", jsonType(wrong.Type.Kind().String()), wrong.Value)
		}
		return server.Errorf(server.ErrInvalid, "Field %s must be %s, not %s. Nothing was changed.", field, jsonType(wrong.Type.Kind().String()), wrong.Value)
	}
	return server.Errorf(errBadRequest, "The body is not valid JSON: %s. Nothing was changed.", jsonFault(err))
}

func jsonFault(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("%s at byte %d", syntax, syntax.Offset)
	}
	return "it ends too early"
}

func jsonType(kind string) string {
	switch kind {
	case "string":
		return "a string"
	case "bool":
		return "a boolean"
	case "slice", "array":
		return "an array"
	case "map", "struct":
		return "an object"
	}
	return "an integer"
}

// exactText says whether decoding gives the text that the sender meant.
func exactText(body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' { // outside of strings it is a syntax error anyway
			continue
		}
		unit, ok := escapedUnit(body[i:])
		switch {
		case !ok:
			i++ // the escaped character, a backslash maybe
		case unit >= 0xdc00 && unit < 0xe000:
			return false
		case unit >= 0xd800 && unit < 0xdc00:
			low, ok := escapedUnit(body[i+6:])
			if !ok || low < 0xdc00 || low >= 0xe000 {
				return false
			}
			i += 11
		default:
			i += 5
		}
	}
	return true
}

// escapedUnit reads the UTF-16 unit of a \uXXXX that b begins with.
func escapedUnit(b []byte) (uint64, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return unit, err == nil
}
