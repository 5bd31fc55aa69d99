package api

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// A terminal session is a WebSocket that carries the streams of one process,
// or of one TCP connection, between a client and an instance:
//
//	GET /apps/{app}/dynos/{dyno}/attach     the process of an attached run
//	GET /apps/{app}/dynos/{dyno}/exec       another process in an instance
//	GET /apps/{app}/dynos/{dyno}/forward    a port of an instance
//	GET /terminals/{token}                  what an attach_url names; needs no other proof
//
// Every message is binary. Its first byte is the channel, the rest belongs to
// it; numbers are big-endian:
//
//	0 stdin   client → server  bytes
//	1 stdout  server → client  bytes; with a terminal all output
//	2 stderr  server → client  bytes
//	3 resize  client → server  rows, columns (two bytes each)
//	4 eof     client → server  nothing: stdin has ended, output goes on (half-close)
//	5 exit    server → client  exit code (four bytes, signed), then text for
//	                           people when it did not end by itself; the last message
//	6 window  both             how many more bytes (four) the receiver takes
//
// Neither side blocks its reading: each may send TerminalWindow bytes on
// channels 0 to 2, and more when the other side has granted them (window),
// which it does as the bytes go to where they belong. So a process that does
// not read, or a pager that stands still, holds its sender up without a buffer
// that grows, and pings are still answered. The server pings; who hears
// nothing at all of the other side for TerminalPatience gives it up.
const (
	TerminalWindow     = 512 << 10 // bytes
	MaxTerminalMessage = 32 << 10  // bytes, with the channel
)

// Channel is the first byte of a message of a terminal session.
type Channel byte

// The channels.
const (
	ChannelStdin  Channel = 0
	ChannelStdout Channel = 1
	ChannelStderr Channel = 2
	ChannelResize Channel = 3
	ChannelEOF    Channel = 4
	ChannelExit   Channel = 5
	ChannelWindow Channel = 6
)

// stream says that a channel carries bytes, which windows count.
func (c Channel) stream() bool { return c <= ChannelStderr }

// Frame is one message; which of its fields count depends on the channel.
type Frame struct {
	Channel Channel
	Data    []byte       // stdin, stdout, stderr
	Size    WindowSize   // resize
	Exit    TerminalExit // exit
	Grant   uint32       // window
}

// WindowSize is the size of a terminal in characters.
type WindowSize struct{ Rows, Cols uint16 }

// TerminalExit is how a session ended.
type TerminalExit struct {
	Code int32
	// Text says, for people, why it could not begin or was ended from outside;
	// empty when the process ended by itself.
	Text string
}

const maxExitText = 4 << 10

// errFrame is the class of messages that make no sense.
var errFrame = errors.New("broken message of a terminal session")

// Encode gives the message.
func (f Frame) Encode() []byte {
	b := make([]byte, 1, 9+len(f.Data))
	b[0] = byte(f.Channel)
	switch f.Channel {
	case ChannelResize:
		b = binary.BigEndian.AppendUint16(b, f.Size.Rows)
		return binary.BigEndian.AppendUint16(b, f.Size.Cols)
	case ChannelExit:
		b = binary.BigEndian.AppendUint32(b, uint32(f.Exit.Code))
		return append(b, cut(f.Exit.Text, maxExitText)...)
	case ChannelWindow:
		return binary.BigEndian.AppendUint32(b, f.Grant)
	case ChannelEOF:
		return b
	}
	return append(b, f.Data...)
}

// cut shortens text between two characters.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// ParseFrame reads a message. Data is part of b.
func ParseFrame(b []byte) (Frame, error) {
	if len(b) == 0 || len(b) > MaxTerminalMessage {
		return Frame{}, fmt.Errorf("%w: %d bytes", errFrame, len(b))
	}
	f, rest := Frame{Channel: Channel(b[0])}, b[1:]
	length := -1
	switch f.Channel {
	case ChannelStdin, ChannelStdout, ChannelStderr:
		f.Data = rest
	case ChannelResize:
		if length = 4; len(rest) == length {
			f.Size = WindowSize{Rows: binary.BigEndian.Uint16(rest), Cols: binary.BigEndian.Uint16(rest[2:])}
		}
	case ChannelEOF:
		length = 0
	case ChannelExit:
		if len(rest) < 4 || len(rest) > 4+maxExitText || !utf8.Valid(rest[4:]) {
			return Frame{}, fmt.Errorf("%w: exit", errFrame)
		}
		f.Exit = TerminalExit{Code: int32(binary.BigEndian.Uint32(rest)), Text: string(rest[4:])}
	case ChannelWindow:
		if length = 4; len(rest) == length {
			f.Grant = binary.BigEndian.Uint32(rest)
		}
	default:
		return Frame{}, fmt.Errorf("%w: channel %d", errFrame, b[0])
	}
	if length >= 0 && len(rest) != length {
		return Frame{}, fmt.Errorf("%w: channel %d with %d bytes", errFrame, b[0], len(rest))
	}
	return f, nil
}

// CreateDyno is the body of POST /apps/{app}/dynos: a one-off.
type CreateDyno struct {
	Attach     bool              `json:"attach,omitempty"`
	Command    string            `json:"command"`
	Env        map[string]string `json:"env,omitempty"`
	ForceNoTTY bool              `json:"force_no_tty,omitempty"`
	Size       string            `json:"size,omitempty"`
	// Type is "run", or the process type whose command is run when Command is empty.
	Type       string `json:"type,omitempty"`
	TimeToLive int    `json:"time_to_live,omitempty"` // seconds, 0: no limit
}
