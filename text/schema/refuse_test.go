package schema

import (
	"strings"
	"testing"
)

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
