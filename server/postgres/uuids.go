package postgres

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// takeUUIDs has a connection send lists of ids, which are strings here, as they
// are stored. By itself the driver fails to do so, words an error that holds
// the whole list, and sends it as text.
func takeUUIDs(_ context.Context, conn *pgx.Conn) error {
	m := conn.TypeMap()
	t, ok := m.TypeForOID(pgtype.UUIDArrayOID)
	if !ok {
		return fmt.Errorf("the driver has no type of OID %d", pgtype.UUIDArrayOID)
	}
	m.RegisterType(&pgtype.Type{Name: t.Name, OID: t.OID, Codec: uuidArrays{t.Codec}})
	return nil
}

type uuidArrays struct{ pgtype.Codec }

// PlanEncode implements pgtype.Codec.
func (c uuidArrays) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.([]string); ok && format == pgtype.BinaryFormatCode {
		return encodeUUIDs{}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

type encodeUUIDs struct{}

const uuidBytes = 16

// Encode implements pgtype.EncodePlan: an array of one dimension, from 1.
func (encodeUUIDs) Encode(value any, buf []byte) ([]byte, error) {
	list, _ := value.([]string)
	if list == nil {
		return nil, nil
	}
	put := binary.BigEndian.AppendUint32
	buf = put(put(put(put(put(buf, 1), 0), pgtype.UUIDOID), uint32(len(list))), 1)
	for _, id := range list {
		u, err := parseUUID(id)
		if err != nil {
			return nil, err
		}
		buf = append(put(buf, uuidBytes), u[:]...)
	}
	return buf, nil
}

func parseUUID(s string) (u [uuidBytes]byte, err error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, fmt.Errorf("%.60q is no id", s)
	}
	var digits [2 * uuidBytes]byte
	n := 0
	for _, part := range []string{s[:8], s[9:13], s[14:18], s[19:23], s[24:]} {
		n += copy(digits[n:], part)
	}
	_, err = hex.Decode(u[:], digits[:])
	return u, err
}
