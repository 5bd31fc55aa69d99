package router

import "encoding/binary"

// frameScanner finds the boundaries of WebSocket frames (RFC 6455 §5.2) in a
// stream. It looks at lengths only.
type frameScanner struct {
	head   [14]byte
	have   int    // bytes of the head seen
	remain uint64 // bytes of the payload to come
}

// boundary says that the stream stands between two frames.
func (s *frameScanner) boundary() bool { return s.have == 0 && s.remain == 0 }

// feed takes the next bytes of the stream and says how many of them may pass:
// all, or with stop set only those up to the first boundary.
func (s *frameScanner) feed(p []byte, stop bool) int {
	for i := 0; i < len(p); {
		if stop && s.boundary() {
			return i
		}
		if s.remain > 0 {
			n := min(s.remain, uint64(len(p)-i))
			s.remain -= n
			i += int(n)
			continue
		}
		s.head[s.have] = p[i]
		s.have++
		i++
		s.measure()
	}
	return len(p)
}

// measure starts the payload when the head is complete.
func (s *frameScanner) measure() {
	if s.have < 2 {
		return
	}
	size := 2
	length := uint64(s.head[1] & 0x7f)
	switch length {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	if s.head[1]&0x80 != 0 { // masked: only clients do, but it costs nothing
		size += 4
	}
	if s.have < size {
		return
	}
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(s.head[2:4]))
	case 127:
		length = binary.BigEndian.Uint64(s.head[2:10])
	}
	s.have, s.remain = 0, length
}
