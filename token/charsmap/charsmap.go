// Package charsmap reads the normalisation that SentencePiece compiles into the
// models of T5, XLM-R and their kin, and applies it. A map is
//
//	4   bytes of the trie, little endian
//	    the trie: a double array of units of 4 bytes
//	    texts, each ended by a zero byte
//
// The trie leads from what stands in a text to where that which replaces it
// begins among the texts. A unit is, from the lowest bit on: 8 bits of label, a
// bit that says that a value follows, 22 bits of offset to the children, with a
// bit between that shifts it by 8; or a value of 31 bits with the highest set.
//
// Source: github.com/google/sentencepiece, src/normalizer.cc, and
// github.com/s-yata/darts-clone.
package charsmap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Limits of what is read. The map of NFKC has 240,000 bytes and replaces a
// character by 33 at most.
const (
	MaxBytes       = 16 << 20
	MaxReplacement = 1 << 10 // bytes
)

// ErrDamaged is wrapped by errors that a map's contents cause.
var ErrDamaged = errors.New("damaged character map")

// Map replaces pieces of a text. It may be used by several goroutines.
type Map struct {
	trie    []uint32
	texts   []byte
	longest int // bytes of a replacement
}

// Longest is how many bytes may stand for one.
func (m *Map) Longest() int { return m.longest }

// Parse reads a map; none of data is kept.
func Parse(data []byte) (*Map, error) {
	if len(data) > MaxBytes || len(data) < 4 {
		return nil, fmt.Errorf("%w: %d bytes, want 4 to %d", ErrDamaged, len(data), MaxBytes)
	}
	size := uint64(binary.LittleEndian.Uint32(data))
	data = data[4:]
	if size == 0 || size%4 != 0 || size > uint64(len(data)) {
		return nil, fmt.Errorf("%w: a trie of %d bytes, %d are there", ErrDamaged, size, len(data))
	}
	m := &Map{trie: make([]uint32, size/4), texts: bytes.Clone(data[size:])}
	for i := range m.trie {
		m.trie[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	if !utf8.Valid(m.texts) {
		return nil, fmt.Errorf("%w: its texts are no UTF-8", ErrDamaged)
	}
	if len(m.texts) > 0 && m.texts[len(m.texts)-1] != 0 {
		return nil, fmt.Errorf("%w: its last text has no end", ErrDamaged)
	}
	for text := range bytes.SplitSeq(m.texts, []byte{0}) {
		if m.longest = max(m.longest, len(text)); len(text) > MaxReplacement {
			return nil, fmt.Errorf("%w: a replacement of %d bytes, at most %d", ErrDamaged, len(text), MaxReplacement)
		}
	}
	return m, nil
}

// A unit's parts.
func label(u uint32) uint32  { return u & (1<<31 | 0xff) }
func offset(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }
func leaf(u uint32) bool     { return u>>8&1 == 1 }

// match calls yield with the length of every beginning of text that is in the
// trie, the shortest first, and where its replacement stands, until that says no.
func (m *Map) match(text string, yield func(n int, at uint32) bool) {
	at := offset(m.trie[0])
	for i := range len(text) {
		c := uint32(text[i])
		at ^= c
		if c == 0 || at >= uint32(len(m.trie)) || label(m.trie[at]) != c {
			return
		}
		u := m.trie[at]
		at ^= offset(u)
		if at >= uint32(len(m.trie)) {
			return
		}
		if leaf(u) && !yield(i+1, m.trie[at]&(1<<31-1)) {
			return
		}
	}
}

// text is the replacement at a place; false where there is none.
func (m *Map) text(at uint32) (string, bool) {
	if at >= uint32(len(m.texts)) {
		return "", false
	}
	rest := m.texts[at:]
	return string(rest[:bytes.IndexByte(rest, 0)]), true
}

// Next replaces the longest beginning of text that the map knows, or else takes
// its first character as it is: n bytes of text become piece. A byte that is no
// UTF-8 becomes U+FFFD. This is how SentencePiece reads a map.
func (m *Map) Next(text string) (piece string, n int) {
	m.match(text, func(size int, at uint32) bool {
		if s, ok := m.text(at); ok {
			piece, n = s, size
		}
		return true
	})
	if n > 0 {
		return piece, n
	}
	r, size := utf8.DecodeRuneInString(text)
	if r == utf8.RuneError && size == 1 {
		return "\ufffd", 1
	}
	return text[:size], size
}

// first is the replacement of the shortest beginning of text that the map knows.
func (m *Map) first(text string) (out string, ok bool) {
	m.match(text, func(_ int, at uint32) bool {
		out, ok = m.text(at)
		return false
	})
	return out, ok
}

// maxCluster is the bytes from which on a grapheme is not looked up as a whole.
const maxCluster = 6

// Normalize replaces all that the map knows as the Python package tokenizers
// does: short graphemes as a whole, by what the map has for their beginning, then
// single characters. It gives other text than Next where a map has entries of
// several characters.
//
// Source: github.com/huggingface/tokenizers, normalizers/precompiled.rs.
func (m *Map) Normalize(text string) string {
	var b strings.Builder
	state := -1
	for rest := text; rest != ""; {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if len(cluster) < maxCluster {
			if s, ok := m.first(cluster); ok {
				b.WriteString(s)
				continue
			}
		}
		for i := 0; i < len(cluster); {
			_, n := utf8.DecodeRuneInString(cluster[i:])
			if s, ok := m.first(cluster[i : i+n]); ok {
				b.WriteString(s)
			} else {
				b.WriteString(cluster[i : i+n])
			}
			i += n
		}
	}
	return b.String()
}

// Spaces says how SentencePiece treats spaces; the zero value leaves them.
type Spaces struct {
	Prefix bool // one before the text
	Single bool // none at the ends, one of several
	Write  string
}

// SentencePiece normalises a text as that does, spaces written as s says. A nil
// Map replaces nothing.
func (m *Map) SentencePiece(text string, s Spaces) string {
	next := func(text string) (string, int) {
		if m != nil {
			return m.Next(text)
		}
		_, n := utf8.DecodeRuneInString(text)
		return text[:n], n
	}
	if s.Single {
		for text != "" {
			piece, n := next(text)
			if piece != " " {
				break
			}
			text = text[n:]
		}
	}
	if text == "" {
		return ""
	}
	var b strings.Builder
	if s.Prefix {
		b.WriteString(s.Write)
	}
	after := s.Single // a space
	for text != "" {
		piece, n := next(text)
		text = text[n:]
		if after {
			piece = strings.TrimLeft(piece, " ")
		}
		if piece != "" {
			b.WriteString(strings.ReplaceAll(piece, " ", s.Write))
			after = s.Single && strings.HasSuffix(piece, " ")
		}
	}
	out := b.String()
	if s.Single {
		for s.Write != "" && strings.HasSuffix(out, s.Write) {
			out = out[:len(out)-len(s.Write)]
		}
	}
	return out
}
