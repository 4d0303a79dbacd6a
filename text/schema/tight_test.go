package schema

import "testing"

// TestTight checks that only the loose form takes white space between values.
func TestTight(t *testing.T) {
	t.Parallel()
	source := []byte(`{"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}},"b":{"type":"string"}},"required":["a","b"],"additionalProperties":false}`)
	loose, err := Compile(source)
	if err != nil {
		t.Fatal(err)
	}
	tight, err := CompileTight(source)
	if err != nil {
		t.Fatal(err)
	}
	v := words()
	for text, want := range map[string][2]bool{
		`{"a":[1,2],"b":"x y"}`:       {true, true},
		`{"a": [1, 2], "b": "x"}`:     {true, false},
		"{\n  \"a\":[1],\"b\":\"x\"}": {true, false},
	} {
		if got := [2]bool{accepts(t, loose, v, text), accepts(t, tight, v, text)}; got != want {
			t.Errorf("%s: loose and tight: got %v, want %v", text, got, want)
		}
	}
}
