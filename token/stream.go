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
	out := lossy(s.held[:n])
	s.held = append(s.held[:0], s.held[n:]...)
	return out
}

// Flush returns what is left: bytes of a character that never ended.
func (s *Stream) Flush() string {
	out := lossy(s.held)
	s.held = s.held[:0]
	return out
}

// lossy turns bytes into text as the reference decoders do: what begins a
// character and does not end it is one U+FFFD, any other stray byte one each.
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = max(n, stray(b))
		}
		out.WriteRune(r)
		b = b[n:]
	}
	return out.String()
}

// stray returns how many bytes at the beginning of b, which are no character,
// could have begun one.
func stray(b []byte) int {
	n := 1
	for n < min(len(b), utf8.UTFMax-1) && !utf8.FullRune(b[:n]) {
		if _, size := utf8.DecodeRune(b[:n+1]); size == 1 && utf8.FullRune(b[:n+1]) {
			break
		}
		n++
	}
	return n
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
