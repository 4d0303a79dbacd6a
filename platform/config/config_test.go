package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// flags are settings of each type.
func flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	f.String("addr", "127.0.0.1:8080", "")
	f.StringArray("chat", []string{"companion"}, "")
	f.Bool("no-render", false, "")
	f.Int("threads", 0, "")
	f.Duration("wait", time.Second, "")
	f.String("token", "", "")
	f.String("database", "", "")
	Secret(f, "token")
	Also(f, "database", "KUAI_DATABASE")
	Place(f, "serve")
	f.String("example", "", "") // placed nowhere
	return f
}

func top() *pflag.FlagSet {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.String("data", "/data", "")
	Place(f, "")
	return f
}

func environment(m map[string]string) func(string) (string, bool) {
	return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
}

func TestApply(t *testing.T) {
	t.Parallel()
	file, err := Parse("k.yaml", []byte(`# settings
serve:
  addr: 0.0.0.0:80
  chat: [a, b]
  wait: 1m
  threads: 3
  no-render: true
  database: file.db
  token: hush
`))
	if err != nil {
		t.Fatal(err)
	}
	f := flags()
	if err := f.Parse([]string{"--addr", "[::1]:9"}); err != nil {
		t.Fatal(err)
	}
	values, err := Apply(f, file, environment(map[string]string{"KUAI_SERVE_THREADS": "5", "KUAI_DATABASE": "postgres://u:p@h/n?sslpassword=x", "KUAI_SERVE_WAIT": ""}))
	if err != nil {
		t.Fatal(err)
	}
	want := []Setting{
		{"serve.addr", "[::1]:9", "--addr"},
		{"serve.chat", []string{"a", "b"}, "k.yaml:4"},
		{"serve.database", "postgres://u:xxxxx@h/n?sslpassword=xxxxx", "KUAI_DATABASE"},
		{"serve.no-render", "true", "k.yaml:7"},
		{"serve.threads", "5", "KUAI_SERVE_THREADS"},
		{"serve.token", "xxxxx", "k.yaml:9"},
		{"serve.wait", "1m0s", "k.yaml:5"},
	}
	if d := cmp.Diff(want, Show(f, values)); d != "" {
		t.Error(d)
	}
	if !f.Changed("threads") || f.Changed("example") {
		t.Error("what is set does not count as changed")
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	f := flags()
	values, err := Apply(f, nil, environment(map[string]string{"KUAI_SERVE_CHAT": "x;y,z"}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.GetStringArray("chat")
	if d := cmp.Diff([]string{"x", "y,z"}, got); d != "" || err != nil || values["serve.addr"].String() != "default" {
		t.Error(d, err, values)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		env  map[string]string
		want []string
	}{
		"unknown key":          {"serve:\n  adr: x\n", nil, []string{"k.yaml:2: serve.adr: there is no such setting, did you mean serve.addr?"}},
		"unknown far":          {"serve:\n  zzzzzzzzzzzzzz: x\n", nil, []string{"k.yaml:2: serve.zzzzzzzzzzzzzz: there is no such setting"}},
		"unknown section":      {"sreve:\n  addr: x\n", nil, []string{"k.yaml:1: sreve: there is no such section, did you mean serve?"}},
		"empty section":        {"serve:\n", nil, nil},
		"empty unknown":        {"worcker:\n", nil, []string{"k.yaml:1: worcker: there is no such section"}},
		"no value":             {"serve:\n  addr:\n", nil, []string{`k.yaml:2: serve.addr: has no value; leave the line out, or write ""`}},
		"no value at the top":  {"data:\n", nil, []string{"k.yaml:1: data: wants a value, not settings below it"}},
		"twice":                {"serve:\n  addr: a\n  addr: b\n", nil, []string{"k.yaml:3: serve.addr: was given before, in line 2"}},
		"wrong types":          {"serve:\n  threads: many\n  no-render: perhaps\n  wait: 3\n", nil, []string{`k.yaml:3: serve.no-render: is "perhaps", want true or false`, `k.yaml:2: serve.threads: is "many", want a whole number`, `k.yaml:4: serve.wait: is "3", want a duration such as 30s or 2h`}},
		"list for one":         {"serve:\n  addr: [a]\n", nil, []string{"k.yaml:2: serve.addr: is a list, want one value"}},
		"nested":               {"serve:\n  addr: {a: b}\n", nil, []string{"k.yaml:2: serve.addr: want one value or a list of values"}},
		"alias":                {"serve:\n  addr: &a x\n  database: *a\n", nil, []string{"k.yaml:3: serve.database: aliases are not for settings; write the value"}},
		"no mapping":           {"- a\n", nil, []string{`k.yaml:1: want lines such as "addr: 127.0.0.1:8080"`}},
		"not YAML":             {"serve: [\n", nil, []string{"k.yaml: line 1: did not find expected node content"}},
		"two documents":        {"serve:\n---\nserve:\n", nil, []string{"k.yaml: more than one document"}},
		"of the environment":   {"", map[string]string{"KUAI_SERVE_THREADS": "x"}, []string{`KUAI_SERVE_THREADS: serve.threads: is "x", want a whole number`}},
		"nothing":              {"# all comments\n", nil, nil},
		"one value for a list": {"serve:\n  chat: a\n", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := Parse("k.yaml", []byte(c.text))
			if err == nil {
				if err = f.Unknown(top(), flags()); err == nil {
					_, err = Apply(flags(), f, environment(c.env))
				}
			}
			var got []string
			for _, p := range Problems(err) {
				got = append(got, p.Error())
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"/var/lib/kuai.db":                  "/var/lib/kuai.db",
		"postgres://kuai:hush@db/kuai":      "postgres://kuai:xxxxx@db/kuai",
		"nats://token@a:1,nats://u:p@b:2":   "nats://xxxxx@a:1,nats://u:xxxxx@b:2",
		"s3://b/p?endpoint=h&secret_key=x":  "s3://b/p?endpoint=h&secret_key=xxxxx",
		"postgres://kuai:hu%zz@db/kuai":     "xxxxx",
		"https://u:p@host/v1#model":         "https://u:xxxxx@host/v1#model",
		"s3://bucket/prefix?endpoint=h:900": "s3://bucket/prefix?endpoint=h:900",
	} {
		if got := Mask(value); got != want {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
}

func TestStrays(t *testing.T) {
	t.Parallel()
	got := Strays([]string{"KUAI_SERVE_ADR=x", "KUAI_SERVE_ADDR=x", "KUAI_DATABASE=y", "PATH=z"}, "serve", flags())
	if len(got) != 1 || !strings.Contains(got[0].Error(), "did you mean KUAI_SERVE_ADDR?") {
		t.Errorf("got %v", got)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "k.yaml")
	if _, err := Read(path); err == nil {
		t.Error("a file that is not there is read")
	}
	if err := os.WriteFile(path, make([]byte, MaxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("too large: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "serve:\n  addr: x\n", "serve: {chat: [a, b]}\ndata: /x\n", "a: &a [*a]\n", "<<: {a: b}\n", "? [a]\n: b\n", "serve:\n  addr: !!binary eA==\n", "---\n---\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse("k.yaml", text)
		if err != nil {
			if len(Problems(err)) == 0 {
				t.Errorf("%v tells no problem", err)
			}
			return
		}
		if file.Unknown(top(), flags()) == nil {
			set := flags()
			if values, err := Apply(set, file, environment(nil)); err == nil {
				Show(set, values)
			}
		}
	})
}
