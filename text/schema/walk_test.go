package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validator is the independent judge.
func validator(tb testing.TB, source string) *jsonschema.Schema {
	tb.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(source))
	if err != nil {
		tb.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mem:///schema.json", doc); err != nil {
		tb.Fatal(err)
	}
	s, err := c.Compile("mem:///schema.json")
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// schemas are examples of the whole subset.
var schemas = []string{
	`{}`,
	`true`,
	`{"type":"object"}`,
	`{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false}`,
	`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number"},"c":{"type":"boolean"}},"required":["b"]}`,
	`{"type":"object","properties":{"a":{},"ab":{},"é":{},"":{}},"additionalProperties":{"type":"integer"}}`,
	`{"type":"object","properties":{"a":{"type":"null"}},"required":["z"],"additionalProperties":true}`,
	`{"type":"array","items":{"type":"integer","minimum":-3,"maximum":12},"minItems":2,"maxItems":4}`,
	`{"type":"array","maxItems":0}`,
	`{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":{"type":"boolean"},"minItems":3,"maxItems":5}`,
	`{"type":"array","prefixItems":[{"const":1}],"items":false}`,
	`{"type":"string","minLength":3,"maxLength":5}`,
	`{"type":"string","minLength":2}`,
	`{"type":"string","maxLength":0}`,
	`{"enum":["red","green","red green",5,null,{"a":[1,2.5e3,"\u00e9\n\"\\"]},""]}`,
	`{"type":"string","enum":["a",1,"b"]}`,
	`{"const":{"b":1,"a":[]}}`,
	`{"type":["string","null"]}`,
	`{"type":["integer","boolean"],"minimum":5}`,
	`{"type":"integer","minimum":0}`,
	`{"type":"integer","maximum":-10}`,
	`{"type":"integer","exclusiveMinimum":-5,"exclusiveMaximum":5}`,
	`{"type":"integer","minimum":98,"maximum":1203}`,
	`{"type":"integer","minimum":0.5,"maximum":1.5}`,
	`{"type":"number","minimum":0,"maximum":1}`,
	`{"type":"number","minimum":0.25,"maximum":0.75}`,
	`{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1}`,
	`{"type":"number","exclusiveMinimum":-1.5,"maximum":20.125}`,
	`{"type":"number","exclusiveMinimum":12.34}`,
	`{"type":"number","maximum":-12.34}`,
	`{"type":"number","minimum":1e3,"exclusiveMaximum":1.0e4}`,
	`{"type":"number","minimum":5,"maximum":5}`,
	`{"minimum":3,"exclusiveMinimum":3,"maximum":9,"type":"number"}`,
	`{"type":"string","pattern":"^[a-z]{2,4}(-[0-9]+)?$"}`,
	`{"type":"string","pattern":"b+"}`,
	`{"type":"string","pattern":"^(a|b\"|\\\\|\\n|é|[^\\w])*$"}`,
	`{"type":"string","pattern":"^a|b$"}`,
	`{"type":"string","pattern":"^.{3}$"}`,
	`{"type":"string","pattern":"(ab*)+c?"}`,
	`{"type":"string","format":"date"}`,
	`{"type":"string","format":"date-time"}`,
	`{"type":"string","format":"time"}`,
	`{"type":"string","format":"uuid"}`,
	`{"type":"string","format":"ipv4"}`,
	`{"type":"string","format":"email"}`,
	`{"type":"string","format":"made-up"}`,
	`{"anyOf":[{"type":"string","maxLength":2},{"type":"array","items":{"type":"null"}}]}`,
	`{"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{"type":"integer"}},"required":["k","x"]},{"type":"object","properties":{"k":{"const":"b"},"y":{"type":"string"}},"required":["k","y"]}]}`,
	`{"oneOf":[{"type":"string"},{"type":"integer"},{"enum":[true,null]}]}`,
	`{"allOf":[{"type":"boolean"}]}`,
	`{"type":"object","anyOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"type":"object"}]}`,
	`{"$defs":{"node":{"type":"object","properties":{"value":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["value","next"],"additionalProperties":false}},"$ref":"#/$defs/node"}`,
	`{"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#"}}},"required":["name","children"],"additionalProperties":false}`,
	`{"definitions":{"a/b":{"type":"boolean"}},"type":"array","items":{"$ref":"#/definitions/a~1b"}}`,
	`{"anyOf":[{"$ref":"#"},{"type":"null"}]}`,
}

// TestRandomWalks writes at random under each schema, in steps of bytes and of
// tokens, and gives what comes out to the validator.
func TestRandomWalks(t *testing.T) {
	t.Parallel()
	v := words()
	for i, source := range schemas {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			s, err := Compile([]byte(source))
			if err != nil {
				t.Fatal(err)
			}
			judge := validator(t, source)
			rng := rand.New(rand.NewPCG(uint64(i), 9))
			ended := 0
			for range 60 {
				text, done := walk(t, s, v, rng, 10+rng.IntN(60))
				if !done {
					continue
				}
				ended++
				if !json.Valid([]byte(text)) {
					t.Fatalf("%s wrote what is no JSON: %q", source, text)
				}
				doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
				if err != nil {
					t.Fatalf("%q: %v", text, err)
				}
				if err := judge.Validate(doc); err != nil {
					t.Fatalf("%s wrote %s: %v", source, text, err)
				}
			}
			if ended < 15 {
				t.Errorf("%d of 60 walks came to an end, want 15", ended)
			}
		})
	}
}

// FuzzCompile gives documents that may be schemas, and writes under those that
// are.
func FuzzCompile(f *testing.F) {
	for _, s := range schemas {
		f.Add([]byte(s), uint64(1))
	}
	v := words()
	f.Fuzz(func(t *testing.T, source []byte, seed uint64) {
		s, err := Compile(source)
		if err != nil {
			return
		}
		m, err := s.Start(v)
		rng := rand.New(rand.NewPCG(seed, 1))
		var out []byte
		for range 60 {
			if err != nil {
				if errors.Is(err, ErrComplex) {
					return
				}
				t.Fatal(err)
			}
			mask, err2 := m.Mask()
			if err2 != nil {
				return
			}
			var ids []int32
			for w, word := range mask {
				for ; word != 0; word &= word - 1 {
					ids = append(ids, int32(w*64+bits.TrailingZeros64(word)))
				}
			}
			if len(ids) == 0 {
				t.Fatalf("a dead end after %q", out)
			}
			id := ids[rng.IntN(len(ids))]
			if id == endToken {
				if !json.Valid(out) {
					t.Fatalf("%s wrote %q", source, out)
				}
				return
			}
			out = append(out, v.pieces[id]...)
			err = m.Accept(id)
		}
	})
}
