package schema

import (
	"errors"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"
)

// endToken ends an answer in the test vocabularies: bytes are 0 to 255.
const endToken = 256

// words is a vocabulary of all bytes, an end, and pieces as tokenizers have.
func words(more ...string) *Vocabulary {
	pieces := []string{
		`{"`, `":`, `": "`, `",`, `", "`, `"}`, `"`, "},\n", "true", "false", "null", "tr", "00", "12", "1.", "-1", "e+", "\n  ",
		`\"`, `\u`, "name", "age", "the", " the", "é", "你好", "👋", "\xf0\x9f", `]`, `[`, `[]`, `{}`, `{"name": "`, `\u00`, `\ud83d`, `"a`, "  ",
	}
	pieces = append(pieces, more...)
	return NewVocabulary(257+len(pieces), func(id int32) []byte {
		switch {
		case id < 256:
			return []byte{byte(id)}
		case id == endToken:
			return nil
		}
		return []byte(pieces[id-257])
	}, func(id int32) bool { return id == endToken })
}

// walk writes an answer at random. After patience tokens it prefers to end
// and to close what is open.
func walk(tb testing.TB, s *Schema, v *Vocabulary, rng *rand.Rand, patience int) (string, bool) {
	tb.Helper()
	m, err := s.Start(v)
	if err != nil {
		tb.Fatal(err)
	}
	var out strings.Builder
	for n := range 20 * patience {
		mask, err := m.Mask()
		if err != nil {
			tb.Fatal(err)
		}
		may := func(id int32) bool { return mask[id/64]>>(id%64)&1 == 1 }
		var ids []int32
		for w, word := range mask {
			for ; word != 0; word &= word - 1 {
				ids = append(ids, int32(w*64+bits.TrailingZeros64(word)))
			}
		}
		if len(ids) == 0 {
			tb.Fatalf("a dead end after %q", out.String())
		}
		if may(endToken) != m.Complete() || m.Done() && len(ids) != 1 {
			tb.Fatalf("after %q: end is %v, complete is %v, done is %v of %d tokens", out.String(), may(endToken), m.Complete(), m.Done(), len(ids))
		}
		id := ids[rng.IntN(len(ids))]
		if n > patience {
			for _, c := range []int32{endToken, '}', ']', '"', ',', ':', 'b', '0'} {
				if may(c) && (c == endToken || rng.IntN(4) > 0) {
					id = c
					break
				}
			}
		} else if rng.IntN(2) == 0 { // bytes would drown the longer pieces
			id = ids[len(ids)-1-rng.IntN(min(len(ids), 40))]
		}
		if id == endToken {
			return out.String(), true
		}
		if err := m.Accept(id); err != nil {
			tb.Fatalf("after %q: token %d: %v", out.String(), id, err)
		}
		out.Write(v.pieces[id])
	}
	return out.String(), false
}

// accepts says whether a schema lets a text through whole.
func accepts(tb testing.TB, s *Schema, v *Vocabulary, text string) bool {
	tb.Helper()
	m, err := s.Start(v)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range len(text) {
		if err := m.Accept(int32(text[i])); err != nil {
			if !errors.Is(err, ErrToken) {
				tb.Fatal(err)
			}
			return false
		}
	}
	return m.Complete()
}
