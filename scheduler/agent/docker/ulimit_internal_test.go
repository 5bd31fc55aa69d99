package docker

import (
	"errors"
	"testing"
)

func TestUlimitIsLowered(t *testing.T) {
	refused := errors.New("runc: error setting rlimit type 7: operation not permitted")
	var u ulimit
	if f := u.files(); f.Soft != softFiles || f.Hard != hardFiles {
		t.Fatal(f)
	}
	if retry, _ := u.lower(errors.New("no space left"), hardFiles); retry {
		t.Error("lowered for another reason")
	}
	if retry, _ := u.lower(nil, hardFiles); retry {
		t.Error("lowered for nothing")
	}
	retry, first := u.lower(refused, hardFiles)
	if !retry || !first {
		t.Error("not lowered")
	}
	once := u.files().Hard
	if retry, first = u.lower(refused, hardFiles); !retry || first || u.files().Hard != once {
		t.Error("a start of the same time lowered it again")
	}
	for tried := once; tried > softFiles; tried = u.files().Hard {
		if retry, _ = u.lower(refused, tried); !retry {
			t.Fatal("stopped at", tried)
		}
	}
	if retry, _ = u.lower(refused, softFiles); retry {
		t.Error("lowered below the soft limit")
	}
}
