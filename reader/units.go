package reader

import (
	"hash/fnv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Unit is a word, a Chinese character or a mark of a turn.
type Unit struct {
	From, To int // bytes of the turn
	Word     string
	Blank    bool // hidden from dictionaries too
}

// MaxUnits is how many units of a turn are read, unit 0 aside; what follows is
// left out.
const MaxUnits = 95

// Units cuts a turn. A word ends before 's, so that whose something is stands
// alone.
func Units(turn string) []Unit {
	var out []Unit
	add := func(from, to int) { out = append(out, Unit{From: from, To: to, Word: lower(turn[from:to])}) }
	for at := 0; at < len(turn) && len(out) < MaxUnits; {
		r, n := utf8.DecodeRuneInString(turn[at:])
		switch {
		case unicode.IsSpace(r):
			at += n
		case wordRune(r):
			end := at + wordEnd(turn[at:])
			add(at, end)
			at = end
		case (r == '\'' || r == '’') && strings.HasPrefix(turn[at+n:], "s") && !startsWord(turn[at+n+1:]):
			add(at, at+n+1)
			at += n + 1
		default:
			add(at, at+n)
			at += n
		}
	}
	return out
}

// wordRune says whether a rune is part of words written with letters.
func wordRune(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)) && !unicode.Is(unicode.Han, r) && r != utf8.RuneError
}

func startsWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return wordRune(r)
}

// wordEnd is where a word ends: at a mark, but for one within as in don't or
// 7:30, and never before a lone s.
func wordEnd(s string) int {
	for i, r := range s {
		if wordRune(r) {
			continue
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		after := s[i+n:]
		digits := i > 0 && s[i-1] >= '0' && s[i-1] <= '9' && after != "" && after[0] >= '0' && after[0] <= '9'
		switch {
		case (r == ':' || r == '.' || r == ',') && digits:
		case (r == '\'' || r == '’') && startsWord(after) && (!strings.HasPrefix(after, "s") || startsWord(after[1:])):
		default:
			return i
		}
	}
	return len(s)
}

// lower makes ASCII letters small: bytes stay where they are.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Tables of features: words, and everything smaller or around them.
const (
	wordRows  = 1 << 14
	pieceRows = 1 << 14
	whole     = "\x00" // the word of unit 0
	edge      = "\x01" // beyond the first and the last unit
	Hidden    = "\x02" // a word that is to be guessed
)

func hash(kind byte, parts ...string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte{kind})
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	x := h.Sum32() // FNV's low bits are poor
	x ^= x >> 16
	x *= 0x7FEB352D
	x ^= x >> 15
	return x
}

// features are the rows of a unit's tables, given its neighbours.
func features(pieces []int32, turn string, u Unit, before, after string) (word int32, _ []int32) {
	add := func(kind byte, parts ...string) {
		pieces = append(pieces, int32(hash(kind, parts...)%pieceRows))
	}
	add('<', before, u.Word)
	add('>', u.Word, after)
	add('=', before, u.Word, after)
	if u.Word != whole && u.Word != Hidden {
		add('s', shape(turn[u.From:u.To]))
		marked := "<" + u.Word + ">"
		for n := 3; n <= 4; n++ {
			for i := 0; i+n <= len(marked) && i < 24; i++ {
				add(byte('0'+n), marked[i:i+n])
			}
		}
	}
	return int32(WordRow(u.Word)), pieces
}

// shape says how a word is written: Aa, aa, AA, 00, and the like.
func shape(s string) string {
	var b strings.Builder
	last := byte(0)
	for _, r := range s {
		c := byte('.')
		switch {
		case unicode.IsUpper(r):
			c = 'A'
		case unicode.IsDigit(r):
			c = '0'
		case unicode.Is(unicode.Han, r):
			c = 'h'
		case unicode.IsLetter(r):
			c = 'a'
		}
		if c != last && b.Len() < 6 {
			b.WriteByte(c)
			last = c
		}
	}
	return b.String()
}

// WordRow is a word's row of the table of words.
func WordRow(word string) uint32 { return hash('w', word) % wordRows }
