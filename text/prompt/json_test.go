package prompt

import "testing"

func TestReplaceFilters(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`tool | tojson`:                            `__tojson(tool)`,
		`tool|tojson(indent=4) `:                   `__tojson(tool, indent=4) `,
		`'a' + b.c["|tojson"].d | tojson + '}'`:    `'a' + __tojson(b.c["|tojson"].d) + '}'`,
		`f(x, y)(1)[0] | default({}) | tojson()`:   `__tojson(f(x, y)(1)[0] | default({}))`,
		`(a or b) | tojson`:                        `__tojson((a or b))`,
		`x if (a) else (b)|tojson`:                 `x if (a) else __tojson((b))`,
		`a | tojson if b else c|tojson(indent=2)`:  `__tojson(a) if b else __tojson(c, indent=2)`,
		`{'a': 1} | tojson`:                        `__tojson({'a': 1})`,
		`a | tojson | tojson`:                      `__tojson(__tojson(a))`,
		`x if v is string else v | string`:         `x if v is string else __string(v)`,
		`'it | tojson'`:                            `'it | tojson'`,
		`| tojson`:                                 `| tojson`,
		`) | tojson`:                               `) | tojson`,
		`"a" ~ m.content | trim | tojson ~ "\n\""`: `"a" ~ __tojson(m.content | trim) ~ "\n\""`,
	} {
		if got := replaceFilters(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestPythonFloat(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]string{
		1: "1.0", 1e6: "1000000.0", 0.1: "0.1", 1e-4: "0.0001", 1e-5: "1e-05", 1e15: "1000000000000000.0", 1e16: "1e+16", -2.5e-7: "-2.5e-07",
	} {
		if got := pythonFloat(x); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
