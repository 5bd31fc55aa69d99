package server

import (
	"strings"
	"testing"
)

// One app's readers, however many, leave room for those of others; who is
// refused is told so in place of the log.
func TestLogReadersAreBounded(t *testing.T) {
	s, store := newRunService(t)
	for range maxAppLogReaders {
		if _, err := s.readers.enter(store.app.ID); err != nil {
			t.Fatal(err)
		}
	}
	var told string
	err := s.Logs(t.Context(), ann, "shop", LogQuery{Lines: 1}, func(l LogLine) error { told += l.Text; return nil })
	if !IsID(err, ErrConflict) || !strings.Contains(told, "50 clients at once") {
		t.Errorf("%v, told %q", err, told)
	}
	leave, err := s.readers.enter("other")
	if err != nil {
		t.Fatal(err)
	}
	leave()
	for n := range maxLogReaders {
		if _, err = s.readers.enter(string(rune('a' + n))); err != nil {
			break
		}
	}
	if !IsID(err, ErrUnavailable) {
		t.Errorf("of all apps: %v", err)
	}
}
