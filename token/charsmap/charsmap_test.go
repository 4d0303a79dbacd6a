package charsmap

import (
	"encoding/binary"
	"errors"
	"testing"
	"unicode/utf8"
)

// file makes a map of units and texts.
func file(texts string, units ...uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(4*len(units)))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint32(b, u)
	}
	return append(b, texts...)
}

// small maps "a" to "xy" and "ab" to "z": the root's children begin at 128.
func small() []byte {
	units := make([]uint32, 512)
	units[0] = 128 << 10
	units[128^'a'] = 'a' | 1<<8 | (128^'a'^256)<<10 // a value at 256, children from there
	units[256] = 1 << 31                            // the value 0
	units[256^'b'] = 'b' | 1<<8 | (256^'b'^300)<<10
	units[300] = 1<<31 | 3
	return file("xy\x00z\x00", units...)
}

func TestMap(t *testing.T) {
	t.Parallel()
	m, err := Parse(small())
	if err != nil {
		t.Fatal(err)
	}
	if m.Longest() != 2 {
		t.Errorf("the longest replacement has %d bytes", m.Longest())
	}
	for text, want := range map[string]string{"": "", "a": "xy", "ab": "z", "cab": "cz", "aab\xff快": "xyz\ufffd快", "b": "b"} {
		if got := m.SentencePiece(text, Spaces{Write: " "}); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"ab": "xyb", "a\u0301": "xy", "快a": "快xy"} { // a short grapheme goes as a whole
		if got := m.Normalize(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	for _, c := range []struct {
		s          Spaces
		text, want string
	}{
		{Spaces{Prefix: true, Single: true, Write: "_"}, "  b  c ", "_b_c"},
		{Spaces{Write: "_"}, "  b  c ", "__b__c_"},
		{Spaces{Prefix: true, Write: "_"}, " b", "__b"},
		{Spaces{Prefix: true, Single: true, Write: "_"}, "   ", ""},
		{Spaces{Prefix: true, Write: "_"}, "", ""},
	} {
		for _, m := range []*Map{m, nil} {
			if got := m.SentencePiece(c.text, c.s); got != c.want {
				t.Errorf("%+v: %q became %q, want %q", c.s, c.text, got, c.want)
			}
		}
	}
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	long := make([]byte, MaxReplacement+1)
	for i := range long {
		long[i] = 'x'
	}
	for name, data := range map[string][]byte{
		"empty": nil, "short": {1, 0, 0}, "no trie": file("x\x00"), "cut": small()[:100], "no end": file("x", 0), "no UTF-8": file("\xff\x00", 0),
		"odd trie": {3, 0, 0, 0, 1, 2, 3}, "long": file(string(long)+"\x00", 0),
	} {
		if _, err := Parse(data); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzMap(f *testing.F) {
	f.Add(small(), "cab\u0301 a")
	f.Add(small()[:60], "aab")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		m, err := Parse(data)
		if err != nil {
			return
		}
		a, b := m.Normalize(text), m.SentencePiece(text, Spaces{Prefix: true, Single: true, Write: "▁"})
		if utf8.ValidString(text) && (len(a) > len(text)*(1+m.Longest()) || len(b) > 3+3*len(text)*(1+m.Longest())) {
			t.Errorf("%d bytes became %d and %d", len(text), len(a), len(b))
		}
	})
}
