package text

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kuai/format/gguf"
	"kuai/format/safetensors"
	"kuai/internal/golden"
	"kuai/internal/near"
)

// rewrite copies a fixture with other tensors and another configuration.
func rewrite(t *testing.T, name string, tensors func([]safetensors.Tensor) []safetensors.Tensor, config func(string) string) string {
	t.Helper()
	from, dir := filepath.Join("testdata", name), t.TempDir()
	f, err := safetensors.Read(filepath.Join(from, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	all := f.Tensors
	if tensors != nil {
		all = tensors(all)
	}
	if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), all, nil); err != nil {
		t.Fatal(err)
	}
	c, err := os.ReadFile(filepath.Join(from, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		was := string(c)
		if c = []byte(config(was)); string(c) == was {
			t.Fatal("the configuration has not changed")
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), c, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fuse stacks the experts as transformers 5 holds them in memory.
func fuse(all []safetensors.Tensor) []safetensors.Tensor {
	expert := regexp.MustCompile(`^(.*)\.block_sparse_moe\.experts\.(\d+)\.(w\d)\.weight$`)
	parts := map[string]map[string][]byte{}
	var out []safetensors.Tensor
	for _, x := range all {
		m := expert.FindStringSubmatch(x.Name)
		if m == nil {
			x.Name = strings.Replace(x.Name, "block_sparse_moe", "mlp", 1)
			out = append(out, x)
			continue
		}
		if parts[m[1]] == nil {
			parts[m[1]] = map[string][]byte{}
		}
		parts[m[1]][m[2]+m[3]] = x.Data
	}
	for layer, p := range parts {
		n := len(p) / 3
		var gateUp, down [][]byte
		for x := range n {
			gateUp = append(gateUp, p[fmt.Sprint(x, "w1")], p[fmt.Sprint(x, "w3")])
			down = append(down, p[fmt.Sprint(x, "w2")])
		}
		out = append(out,
			safetensors.Tensor{Name: layer + ".mlp.experts.gate_up_proj", DType: safetensors.BF16, Shape: []int{n, 48, 32}, Data: bytes.Join(gateUp, nil)},
			safetensors.Tensor{Name: layer + ".mlp.experts.down_proj", DType: safetensors.BF16, Shape: []int{n, 32, 24}, Data: bytes.Join(down, nil)})
	}
	return out
}

func TestFusedExperts(t *testing.T) {
	dir := rewrite(t, "minimax", fuse, nil)
	m, err := Open(dir, Options{Weights: "f32", KV: "f32"})
	if err != nil {
		t.Fatal(err)
	}
	g := golden.Load(t, "testdata/minimax/golden.safetensors")
	var tokens []int32
	for _, x := range g["tokens"].F32 {
		tokens = append(tokens, int32(x))
	}
	near.Check(t, "logits", forward(t, m.NewSession(), tokens, 70), g["logits"].F32, bar)
}

// original gives the configuration of minimax the names of the first release.
func original(c string) string {
	for from, to := range map[string]string{
		"full_attn_alpha_factor": "layernorm_full_attention_alpha", "full_attn_beta_factor": "layernorm_full_attention_beta",
		"linear_attn_alpha_factor": "layernorm_linear_attention_alpha", "linear_attn_beta_factor": "layernorm_linear_attention_beta",
		"mlp_alpha_factor": "layernorm_mlp_alpha", "mlp_beta_factor": "layernorm_mlp_beta", `"model_type": "minimax"`: `"model_type": "minimax_text_01"`,
	} {
		c = strings.Replace(c, from, to, 1)
	}
	types := regexp.MustCompile(`"layer_types": \[[^]]*\]`)
	return types.ReplaceAllString(c, `"attn_type_list": [0, 1, 0, 0, 1], "postnorm": true, "shared_intermediate_size": 0, "rope_theta": 10000, "rotary_dim": 16`)
}

func TestOriginalConfig(t *testing.T) {
	m, err := Open(rewrite(t, "minimax", nil, original), Options{Weights: "f32", KV: "f32"})
	if err != nil {
		t.Fatal(err)
	}
	g := golden.Load(t, "testdata/minimax/golden.safetensors")
	var tokens []int32
	for _, x := range g["tokens"].F32 {
		tokens = append(tokens, int32(x))
	}
	near.Check(t, "logits", forward(t, m.NewSession(), tokens, 150), g["logits"].F32, bar)
}

func TestOpenRefuses(t *testing.T) {
	replace := func(from, to string) func(string) string {
		return func(c string) string { return strings.Replace(c, from, to, 1) }
	}
	without := func(name string) func([]safetensors.Tensor) []safetensors.Tensor {
		return func(all []safetensors.Tensor) []safetensors.Tensor {
			return slices.DeleteFunc(all, func(x safetensors.Tensor) bool { return strings.HasSuffix(x.Name, name) })
		}
	}
	for name, c := range map[string]struct {
		tensors func([]safetensors.Tensor) []safetensors.Tensor
		config  func(string) string
		want    string
	}{
		"missing norm":    {tensors: without("model.norm.weight"), want: `tensor "model.norm.weight" is missing`},
		"missing expert":  {tensors: without("layers.1.block_sparse_moe.experts.2.w3.weight"), want: `layers.1.block_sparse_moe.experts.2.w3.weight" is missing`},
		"width":           {config: replace(`"hidden_size": 32`, `"hidden_size": 64`), want: "embed_tokens.weight\": shape [96 32], want [96 64]"},
		"vocabulary":      {config: replace(`"vocab_size": 96`, `"vocab_size": 4000000000000`), want: "vocabulary: 4000000000000"},
		"no layers":       {config: replace(`"num_hidden_layers": 5`, `"num_hidden_layers": -5`), want: "layers: -5"},
		"many layers":     {config: replace(`"num_hidden_layers": 5`, `"num_hidden_layers": 2000000000`), want: "layers: 2000000000"},
		"layer types":     {config: replace(`"num_hidden_layers": 5`, `"num_hidden_layers": 4`), want: "kinds of 5 layers, want 4"},
		"heads":           {config: replace(`"num_key_value_heads": 2`, `"num_key_value_heads": 3`), want: "4 attention heads for 3"},
		"odd head":        {config: replace(`"head_dim": 16`, `"head_dim": 15`), want: "width of a head 15"},
		"experts used":    {config: replace(`"num_experts_per_tok": 2`, `"num_experts_per_tok": 9`), want: "experts used: 9"},
		"activation":      {config: replace(`"hidden_act": "silu"`, `"hidden_act": "gelu"`), want: `activation "gelu"`},
		"rope":            {config: replace(`"rope_type": "default"`, `"rope_type": "yarn"`), want: `type "yarn" is not supported`},
		"architecture":    {config: replace(`"model_type": "minimax"`, `"model_type": "gpt9"`), want: `model type "gpt9"`},
		"not JSON":        {config: func(string) string { return "{" }, want: "config.json"},
		"another's heads": {config: replace(`"num_attention_heads": 4`, `"num_attention_heads": 8`), want: "want [128]"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := rewrite(t, "minimax", c.tensors, c.config)
			_, err := Open(dir, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %v, want one that says %s, and where", err, c.want)
			}
		})
	}
	for _, o := range []Options{{Weights: "f8"}, {KV: "bf16"}} {
		if _, err := Open("testdata/llama", o); err == nil {
			t.Errorf("opened with %+v", o)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), Options{}); err == nil {
		t.Error("opened what is not there")
	}
}

func TestVocabulary(t *testing.T) {
	m, _, _ := open(t, "llama-moe.gguf", Options{})
	if m.Tokenizer() == nil {
		t.Fatal("no tokenizer")
	}
	if got := m.Tokenizer().Decode(m.Tokenizer().Encode("abcd e", false)); got != "abcd e" {
		t.Errorf("decoded as %q", got)
	}
	dir := rewrite(t, "llama", nil, nil)
	for name, text := range map[string]string{
		"tokenizer.json": `{"added_tokens":[{"id":1,"content":"<s>","special":true}],"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},
			"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":2,"ab":3},"merges":["a b"]}}`,
		"tokenizer_config.json": `{"bos_token":"<s>","chat_template":[{"name":"tools","template":"t"},{"name":"default","template":"hello {{ x }}"}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := h.Tokenizer().Encode("aba", false); !slices.Equal(got, []int32{3, 0}) {
		t.Errorf("encoded as %v", got)
	}
	if h.ChatTemplate() != "hello {{ x }}" {
		t.Errorf("template %q", h.ChatTemplate())
	}
	none, _, _ := open(t, "llama", Options{})
	if none.Tokenizer() != nil || none.ChatTemplate() != "" {
		t.Error("a tokenizer from nowhere")
	}
}

func TestShards(t *testing.T) {
	dir := rewrite(t, "llama", nil, nil)
	whole := filepath.Join(dir, "model.safetensors")
	f, err := safetensors.Read(whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(whole); err != nil {
		t.Fatal(err)
	}
	names := []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}
	where := map[string]string{}
	half := len(f.Tensors) / 2
	for i, part := range [][]safetensors.Tensor{f.Tensors[:half], f.Tensors[half:]} {
		if err := safetensors.Write(filepath.Join(dir, names[i]), part, nil); err != nil {
			t.Fatal(err)
		}
		for _, x := range part {
			where[x.Name] = names[i]
		}
	}
	index := filepath.Join(dir, "model.safetensors.index.json")
	write := func(m map[string]string) {
		data, err := json.Marshal(map[string]any{"metadata": map[string]any{}, "weight_map": m})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(index, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(where)
	m, err := Open(dir, Options{Weights: "f32", KV: "f32"})
	if err != nil {
		t.Fatal(err)
	}
	g := golden.Load(t, "testdata/llama/golden.safetensors")
	tokens := []int32{int32(g["tokens"].F32[0]), int32(g["tokens"].F32[1])}
	near.Check(t, "logits", forward(t, m.NewSession(), tokens, 2), g["logits"].F32[:2*96], bar)
	for _, bad := range []string{"../secret.safetensors", "/etc/passwd", "missing.safetensors", "model.bin"} {
		write(map[string]string{"model.norm.weight": bad})
		if _, err := Open(dir, Options{}); err == nil {
			t.Errorf("opened with a shard %q", bad)
		}
	}
}

// TestParts opens a model in three GGUF files.
func TestParts(t *testing.T) {
	whole, err := gguf.Open("testdata/minimax-list.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close() //nolint:errcheck // was only read
	name := filepath.Join(t.TempDir(), "m")
	all := whole.Tensors()
	for i := range 3 {
		keys := []gguf.Key{{Name: "split.no", Value: uint32(i)}, {Name: "split.count", Value: uint32(3)}, {Name: "split.tensors.count", Value: int32(len(all))}}
		if i == 0 {
			keys = append(whole.Pairs(), keys...)
		}
		var list []gguf.Source
		for _, x := range all[i*len(all)/3 : (i+1)*len(all)/3] {
			list = append(list, gguf.Source{Name: x.Name, Shape: x.Shape, Type: x.Type, Write: func(w io.Writer) error {
				_, err := w.Write(x.Data)
				return err
			}})
		}
		if err := gguf.Write(gguf.PartName(name, i+1, 3), keys, list); err != nil {
			t.Fatal(err)
		}
	}
	var logits [2][]float32
	for i, path := range []string{"testdata/minimax-list.gguf", gguf.PartName(name, 1, 3)} {
		m, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		logits[i] = forward(t, m.NewSession(), []int32{1, 2, 3, 4, 5}, 5)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(logits[0], logits[1]) {
		t.Error("other logits from three files")
	}
}
