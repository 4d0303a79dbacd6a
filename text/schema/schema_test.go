package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
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

// TestAccepts checks what models write, and what they must not.
func TestAccepts(t *testing.T) {
	t.Parallel()
	v := words()
	for _, tt := range []struct {
		schema, text string
		want         bool
	}{
		{schemas[3], `{"name": "Ann", "age": 3}`, true},
		{schemas[3], "{\n  \"name\": \"A\\u00e9\\ud83d\\udc4b👋\",\n  \"age\": -0\n}", true},
		{schemas[3], `{"name":"Ann","age":3}`, true},
		{schemas[3], `{"name":"Ann"}`, false},
		{schemas[3], `{"age":3,"name":"Ann"}`, false}, // out of order
		{schemas[3], `{"name":"Ann","age":3,"x":1}`, false},
		{schemas[3], `{"name":"\ud83d","age":3}`, false},
		{schemas[3], "{\"name\":\"\xff\",\"age\":3}", false},
		{schemas[3], "{\"name\":\"a\nb\",\"age\":3}", false},
		{schemas[3], `{"name":"Ann","age":03}`, false},
		{schemas[4], `{"b":1e5}`, true},
		{schemas[4], `{"a":"x","b":1,"c":true}`, true},
		{schemas[4], `{"b":1,}`, false},
		{schemas[5], `{"b":7,"abc":1}`, true},
		{schemas[5], `{"a":"x","abc":1}`, true},
		{schemas[5], `{"abc":1,"a":1}`, false},
		{schemas[5], `{"abc":"x"}`, false},
		{schemas[7], `[-3, 12]`, true},
		{schemas[7], `[-4, 12]`, false},
		{schemas[7], `[13, 1]`, false},
		{schemas[7], `[1]`, false},
		{schemas[26], `0.001`, true},
		{schemas[26], `0.0`, false},
		{schemas[26], `0.9999`, true},
		{schemas[26], `1`, false},
		{schemas[25], `0.25`, true},
		{schemas[25], `0.7500`, true},
		{schemas[25], `0.7501`, false},
		{schemas[25], `0.3`, true},
		{schemas[25], `0.2`, false},
		{schemas[28], `12.341`, true},
		{schemas[28], `12.34`, false},
		{schemas[28], `12.4`, true},
		{schemas[28], `1234567890123`, true},
		{schemas[31], `5.00`, true},
		{`{}`, `{"a":[1,{"b":null}],"c":-1.5E+10}`, true},
		{`{}`, `[1,]`, false},
	} {
		s, err := Compile([]byte(tt.schema))
		if err != nil {
			t.Fatal(err)
		}
		if got := accepts(t, s, v, tt.text); got != tt.want {
			t.Errorf("%s and %s: got %v, want %v", tt.schema, tt.text, got, tt.want)
		}
	}
}

// TestIntegerRanges compares ranges with counting.
func TestIntegerRanges(t *testing.T) {
	t.Parallel()
	v := words()
	rng := rand.New(rand.NewPCG(3, 3))
	for range 60 {
		lo := rng.IntN(400) - 200
		hi := lo + rng.IntN(250)
		s, err := Compile(fmt.Appendf(nil, `{"type":"integer","minimum":%d,"maximum":%d}`, lo, hi))
		if err != nil {
			t.Fatal(err)
		}
		for x := -230; x < 480; x++ {
			if got, want := accepts(t, s, v, fmt.Sprint(x)), lo <= x && x <= hi; got != want {
				t.Fatalf("%d in %d to %d: got %v, want %v", x, lo, hi, got, want)
			}
		}
	}
}

// TestRefused lists what is not supported, and says where it stands.
func TestRefused(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`{`:                                   "not JSON",
		`{} {}`:                               "more than one JSON value",
		`{"type":"object","type":"array"}`:    `"type" is there twice`,
		`5`:                                   "a schema is an object, not integer",
		`false`:                               "false",
		`{"patternProperties":{}}`:            `#: the keyword "patternProperties"`,
		`{"properties":{"a/b":{"not":{}}}}`:   `#/properties/a~1b: the keyword "not"`,
		`{"type":"string","nullable":true}`:   "OpenAPI",
		`{"type":"strin"}`:                    `"strin" is no type`,
		`{"type":[]}`:                         "it is no type",
		`{"type":"array","uniqueItems":true}`: "uniqueItems",
		`{"$ref":"#/$defs/none"}`:             "leads nowhere",
		`{"$ref":"http://example.org/x"}`:     "leads nowhere",
		`{"$ref":"#","type":"object"}`:        `"type" beside "$ref"`,
		`{"anyOf":[]}`:                        "no list",
		`{"allOf":[{},{}]}`:                   "allOf of more than one",
		`{"oneOf":[{"type":"number"},{"type":"integer"}]}`: "may hold together",
		`{"oneOf":[{"type":"object"},{"type":"object"}]}`:  "may hold together",
		`{"enum":[]}`:                                                        "no value",
		`{"type":"string","enum":[1]}`:                                       "no value",
		`{"enum":["a"],"minLength":1}`:                                       "beside enum",
		`{"type":"string","pattern":"(?=a)"}`:                                "pattern",
		`{"type":"string","pattern":"\\bx"}`:                                 "pattern",
		`{"type":"string","pattern":"a^b"}`:                                  "pattern",
		`{"type":"string","pattern":"a{2000}"}`:                              "pattern",
		`{"type":"string","pattern":"a","maxLength":3}`:                      "beside minLength or maxLength",
		`{"type":"string","minLength":5,"maxLength":3}`:                      "minLength is more",
		`{"type":"string","minLength":1e9}`:                                  "more than 100000",
		`{"type":"string","minLength":-1}`:                                   "no count",
		`{"type":"integer","multipleOf":5}`:                                  "multipleOf",
		`{"type":"integer","minimum":5,"maximum":4}`:                         "no value can fulfil it",
		`{"type":"integer","exclusiveMinimum":4,"exclusiveMaximum":5}`:       "no value can fulfil it",
		`{"type":"number","minimum":1e999999999}`:                            "no number of at most",
		`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`: "no value can fulfil it",
		`{"$ref":"#"}`: "no value can fulfil it",
		`{"type":"object","required":["a"],"additionalProperties":false}`:  "required and not allowed",
		strings.Repeat(`{"items":`, 200) + `{}` + strings.Repeat(`}`, 200): "nested deeper",
	} {
		if _, err := Compile([]byte(source)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want %q", source, err, want)
		}
	}
}

// TestChains compiles what would take for ever if it were done naively: the test
// would not end.
func TestChains(t *testing.T) {
	t.Parallel()
	var chain, twins strings.Builder
	chain.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
	for i := range 3000 {
		fmt.Fprintf(&chain, `"d%d":{"$ref":"#/$defs/d%d"},`, i, i+1)
	}
	chain.WriteString(`"d3000":{"type":"null"}}}`)
	twins.WriteString(`{"oneOf":[{"$ref":"#/$defs/a0"},{"$ref":"#/$defs/b0"}],"$defs":{`)
	for i := range 60 {
		for _, n := range []string{"a", "b"} {
			fmt.Fprintf(&twins, `"%s%d":{"type":"object","properties":{"x":{"$ref":"#/$defs/%s%d"},"y":{"$ref":"#/$defs/%s%d"}},"required":["x","y"]},`, n, i, n, i+1, n, i+1)
		}
	}
	twins.WriteString(`"a60":{"const":1},"b60":{"const":2}}}`)
	for _, source := range []string{chain.String(), twins.String()} {
		if _, err := Compile([]byte(source)); err != nil {
			t.Errorf("%.60s: %v", source, err)
		}
	}
}

// TestObject writes objects at random for json_object.
func TestObject(t *testing.T) {
	t.Parallel()
	v, rng := words(), rand.New(rand.NewPCG(8, 8))
	for range 50 {
		text, done := walk(t, Object(), v, rng, 30)
		var m map[string]any
		if err := json.Unmarshal([]byte(text), &m); done && err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRenewed counts through more states than a table holds.
func TestRenewed(t *testing.T) {
	t.Parallel()
	s, err := Compile([]byte(`{"type":"string","minLength":20000,"maxLength":20000}`))
	if err != nil {
		t.Fatal(err)
	}
	v := words()
	if !accepts(t, s, v, `"`+strings.Repeat("x", 20000)+`"`) {
		t.Error("a text of the right length was refused")
	}
	if accepts(t, s, v, `"`+strings.Repeat("x", 19999)+`"`) {
		t.Error("a text that is too short was let through")
	}
	if n := len(s.machines[v].states); n > 2*maxStates {
		t.Errorf("%d states are kept", n)
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
