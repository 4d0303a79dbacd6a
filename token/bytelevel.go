package token

import "unicode/utf8"

// byteRunes are the characters in which byte-level vocabularies write bytes:
// printable ones stand for themselves, the others for 256 and on.
var byteRunes, runeBytes = func() (to [256]rune, from map[rune]byte) {
	from = map[rune]byte{}
	next := rune(256)
	for b := range to {
		r := rune(b)
		if r < '!' || r > '~' && r < '¡' || r == 0xad {
			r = next
			next++
		}
		to[b] = r
		from[r] = byte(b)
	}
	return to, from
}()

// fromByteLevel returns the bytes that a piece stands for. Characters that
// stand for no byte, which only added tokens have, stay themselves.
func fromByteLevel(piece string) []byte {
	out := make([]byte, 0, len(piece))
	for _, r := range piece {
		if b, ok := runeBytes[r]; ok {
			out = append(out, b)
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}
