package schema

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// vocabulary50k is one of the size and shape of GPT-2's: all words and word
// parts of this module's documents, and numbers, up to 50 thousand.
func vocabulary50k(tb testing.TB) *Vocabulary {
	tb.Helper()
	seen := map[string]bool{}
	var pieces []string
	add := func(s string) {
		if s != "" && !seen[s] && len(pieces) < 50_000-257 {
			seen[s] = true
			pieces = append(pieces, s)
		}
	}
	for _, name := range []string{"../../README.md", "../../ARCHITECTURE.md", "schema.go", "build.go", "../../go.sum", "../../docs/log.md"} {
		data, err := os.ReadFile(name)
		if err != nil {
			tb.Skip(err)
		}
		for w := range strings.FieldsSeq(string(data)) {
			for n := 1; n <= min(len(w), 12); n++ {
				add(" " + w[:n])
				add(w[len(w)-n:])
			}
		}
	}
	for i := 0; len(pieces) < 50_000-257; i++ {
		add(fmt.Sprint(i))
	}
	return words(pieces...)
}

// BenchmarkMask measures the mask in common states on 50 thousand tokens: when
// a state is new, and when it is known.
func BenchmarkMask(b *testing.B) {
	v := vocabulary50k(b)
	s, err := Compile([]byte(`{"type":"object","properties":{"name":{"type":"string"},"n":{"type":"integer"},"tags":{"type":"array","items":{"enum":["red","green"]}},"short":{"type":"string","maxLength":100}},"required":["name","n","tags","short"],"additionalProperties":false}`))
	if err != nil {
		b.Fatal(err)
	}
	for _, at := range []struct{ name, text string }{
		{"start", ""},
		{"in a text", `{"name": "Ann`},
		{"in a number", `{"name": "Ann", "n": 1`},
		{"in an enum", `{"name": "Ann", "n": 1, "tags": ["`},
		{"in a counted text", `{"name": "Ann", "n": 1, "tags": [], "short": "abc`},
	} {
		m, err := s.Start(v)
		if err != nil {
			b.Fatal(err)
		}
		for i := range len(at.text) {
			if err := m.Accept(int32(at.text[i])); err != nil {
				b.Fatal(err)
			}
		}
		b.Run("state="+at.name+"/known", func(b *testing.B) {
			for b.Loop() {
				if _, err := m.Mask(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("state="+at.name+"/new", func(b *testing.B) {
			for b.Loop() {
				m.m.states[m.at].mask = nil
				if _, err := m.Mask(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
