package token

import (
	"strings"
	"unicode/utf8"
)

// Stream decodes tokens one by one. A Stream is not safe for concurrent use.
type Stream struct {
	t     *Tokenizer
	held  []byte // the beginning of a character
	begun bool
}

// Stream begins to decode.
func (t *Tokenizer) Stream() *Stream { return &Stream{t: t} }

// Next returns the text that a token completes: whole characters only. Bytes
// that can no longer become one are U+FFFD.
func (s *Stream) Next(id int32) string {
	b := s.t.Bytes(id)
	if len(b) == 0 {
		return ""
	}
	if !s.begun {
		s.begun = true
		if s.t.trim && b[0] == ' ' {
			b = b[1:]
		}
	}
	s.held = append(s.held, b...)
	n := whole(s.held)
	out := strings.ToValidUTF8(string(s.held[:n]), "\uFFFD")
	s.held = append(s.held[:0], s.held[n:]...)
	return out
}

// Flush returns what is left: bytes of a character that never ended.
func (s *Stream) Flush() string {
	out := strings.ToValidUTF8(string(s.held), "\uFFFD")
	s.held = s.held[:0]
	return out
}

// whole returns how many bytes of b do not belong to a character that more
// bytes may complete.
func whole(b []byte) int {
	for i := 1; i <= min(utf8.UTFMax-1, len(b)); i++ {
		at := len(b) - i
		if utf8.RuneStart(b[at]) {
			if b[at] >= utf8.RuneSelf && !utf8.FullRune(b[at:]) {
				return at
			}
			break
		}
	}
	return len(b)
}
