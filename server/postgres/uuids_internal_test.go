package postgres

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// Lists of ids go out as the driver itself would send them.
func TestUUIDsAreSentAsStored(t *testing.T) {
	m := pgtype.NewMap()
	for _, n := range []int{0, 1, 3} {
		ids, plain := make([]string, n), make([]pgtype.UUID, n)
		for i := range n {
			u := uuid.New()
			ids[i], plain[i] = u.String(), pgtype.UUID{Bytes: u, Valid: true}
		}
		want, err := m.Encode(pgtype.UUIDArrayOID, pgtype.BinaryFormatCode, plain, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := encodeUUIDs{}.Encode(ids, nil)
		if err != nil || string(got) != string(want) {
			t.Errorf("%d ids: %x, %v; the driver sends %x", n, got, err, want)
		}
	}
	for _, bad := range []string{"", "x", "00000000-0000-0000-0000-00000000000g", "00000000x0000-0000-0000-000000000000", "00000000-0000-0000-0000-0000-0000000"} {
		if _, err := (encodeUUIDs{}).Encode([]string{bad}, nil); err == nil {
			t.Errorf("%q was sent as an id", bad)
		}
	}
}
