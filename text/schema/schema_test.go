package schema

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

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
