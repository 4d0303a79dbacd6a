package token

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/format/gguf"
)

// TestRefused checks that files which lie, or ask for what is not there, give an
// error.
func TestRefused(t *testing.T) {
	t.Parallel()
	model := func(model string, more string) string { return `{"model":{` + model + `}` + more + `}` }
	bpe := `"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]`
	bomb := strings.Repeat(`{"type":"Replace","pattern":{"String":"a"},"content":"aaaa"},`, 20)
	for name, text := range map[string]string{
		"no JSON":               `{`,
		"no merges":             model(`"type":"BPE","vocab":{"a":0}`, ""),
		"number far out":        model(`"type":"BPE","vocab":{"a":4194303},"merges":[]`, ""),
		"number twice":          model(`"type":"BPE","vocab":{"a":0,"b":0},"merges":[]`, ""),
		"negative number":       model(`"type":"BPE","vocab":{"a":-1},"merges":[]`, ""),
		"long piece":            model(`"type":"BPE","vocab":{"`+strings.Repeat("a", MaxPiece+1)+`":0},"merges":[]`, ""),
		"added far out":         model(bpe, `,"added_tokens":[{"id":4000000,"content":"x"}]`),
		"merge of one":          model(`"type":"BPE","vocab":{"a":0},"merges":["a"]`, ""),
		"merge of three":        model(`"type":"BPE","vocab":{"a":0},"merges":[["a","b","c"]]`, ""),
		"model":                 model(`"type":"WordPiece","vocab":{"a":0}`, ""),
		"unigram without score": model(`"type":"Unigram","vocab":[["a"]]`, ""),
		"unknown out of range":  model(`"type":"Unigram","vocab":[["a",-1]],"unk_id":7`, ""),
		"normalizer":            model(bpe, `,"normalizer":{"type":"Nmt"}`),
		"charsmap":              model(bpe, `,"normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAA"}`),
		"text that explodes":    model(bpe, `,"normalizer":{"type":"Sequence","normalizers":[`+strings.TrimSuffix(bomb, ",")+`]}`),
		"empty replace":         model(bpe, `,"normalizer":{"type":"Replace","pattern":{"String":""},"content":"x"}`),
		"pre-tokenizer":         model(bpe, `,"pre_tokenizer":{"type":"CharDelimiterSplit"}`),
		"expression":            model(bpe, `,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated"}`),
		"behaviour":             model(bpe, `,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a"},"behavior":"Other"}`),
		"other mark":            model(bpe, `,"pre_tokenizer":{"type":"Metaspace","replacement":"_"}`),
	} {
		if _, err := FromJSON([]byte(text), nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// scoredFile writes a GGUF file of SentencePiece BPE.
func scoredFile(tb testing.TB, change map[string]any) *gguf.File {
	tb.Helper()
	texts, types, scores := []string{"<unk>", "<s>", "</s>"}, []int32{2, 3, 3}, []float32{0, 0, 0}
	for i := range 256 {
		texts, types, scores = append(texts, fmt.Sprintf("<0x%02X>", i)), append(types, 6), append(scores, 0)
	}
	for i, text := range []string{"▁", "a", "b", "▁a", "▁▁", "ab"} {
		texts, types, scores = append(texts, text), append(types, 1), append(scores, float32(-i))
	}
	keys := map[string]any{
		keyModel: "llama", keyPre: "default", keyTokens: texts, keyTypes: types, keyScores: scores,
		keyBOS: uint32(1), keyEOS: uint32(2), keyUNK: uint32(0),
	}
	var list []gguf.Key
	for name, value := range keys {
		if v, ok := change[name]; ok {
			value = v
		}
		list = append(list, gguf.Key{Name: name, Value: value})
	}
	path := filepath.Join(tb.TempDir(), "t.gguf")
	if err := gguf.Write(path, list, nil); err != nil {
		tb.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

func TestRefusedGGUF(t *testing.T) {
	t.Parallel()
	scores := make([]float32, 265)
	scores[7] = float32(math.NaN())
	for name, change := range map[string]map[string]any{
		"model":      {keyModel: "rwkv"},
		"types":      {keyTypes: []int32{1}},
		"few scores": {keyScores: []float32{1}},
		"no number":  {keyScores: scores},
		"end":        {keyEOS: uint32(9999)},
		"long piece": {keyTokens: []string{strings.Repeat("a", MaxPiece+1)}},
		"no tokens":  {keyTokens: []string{}},
		"split":      {keyModel: "gpt2", keyPre: "x"},
	} {
		if _, err := FromGGUF(scoredFile(t, change)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestScored checks spaces, bytes and control tokens of SentencePiece BPE.
func TestScored(t *testing.T) {
	t.Parallel()
	tok, err := FromGGUF(scoredFile(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]string{
		"ab":        {"▁a", "b"},
		"a ab":      {"▁a", "▁a", "b"},
		"a  b":      {"▁a", "▁▁", "b"},
		"é":         {"▁", "<0xC3>", "<0xA9>"},
		"<s>a</s>a": {"<s>", "▁a", "</s>", "▁a"}, // as llama.cpp has it
	} {
		got := tok.Encode(text, true)
		if d := cmp.Diff(want, names(tok, got)); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
		if back := tok.Decode(got); !strings.HasPrefix(text, "<s>") && back != text {
			t.Errorf("%q came back as %q", text, back)
		}
	}
	if !tok.AddBOS() || !tok.IsEnd(2) {
		t.Error("BOS is not added, or EOS is no end")
	}
}

// TestStray checks bytes that are no characters against what Python makes of
// them: bytes(b).decode("utf-8", "replace").
func TestStray(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"\xff\xff":                     "��",
		"a\xe5\xbf":                    "a�",
		"\xe5\xbfa":                    "�a",
		"\xe5a":                        "�a",
		"\xe0\x80\x80":                 "���",
		"\xed\xa0\x80":                 "���",
		"\xf0\x9f\x98":                 "�",
		"\xf0\x9f\x98\xe5\xbf":         "��",
		"\xf4\x90\x80\x80":             "����",
		"\xc0\xafx":                    "��x",
		"\xe5\xbf\xab\xbf":             "快�",
		"\xf0\x9f\x98\x80\xf0\x9f\xff": "😀��",
	} {
		if got := lossy([]byte(in)); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// TestTogether encodes in several goroutines: the caches are shared.
func TestTogether(t *testing.T) {
	t.Parallel()
	lines := strings.Split(string(unzip(t, "lines.txt.gz")), "\n")
	for _, name := range []string{"gpt2", "spm", "unigram"} {
		tok := open(t, name)
		var wait sync.WaitGroup
		out := make([][][]int32, 4)
		for i := range out {
			wait.Go(func() {
				for _, line := range lines {
					out[i] = append(out[i], tok.Encode(line, false))
				}
			})
		}
		wait.Wait()
		for _, o := range out[1:] {
			if d := cmp.Diff(out[0], o); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
	}
}

func ExampleTokenizer_Encode() {
	tok, err := FromJSON([]byte(`{
		"model": {"type": "BPE", "vocab": {"h": 0, "i": 1, "hi": 2, "Ġ": 3, "Ġhi": 4}, "merges": ["h i", "Ġ hi"]},
		"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
		"decoder": {"type": "ByteLevel"},
		"added_tokens": [{"id": 5, "content": "<end>", "special": true}]
	}`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ids := tok.Encode("hi hi<end>", true)
	fmt.Println(ids, tok.Decode(ids))
	// Output: [2 4 5] hi hi
}

// FuzzStream checks that bytes one by one give the text of all at once.
func FuzzStream(f *testing.F) {
	f.Add([]byte("a\xe5\xbf\xabb\xf0\x9f\xff"))
	f.Add([]byte("\xed\xa0\x80\xf4\x90"))
	tok := open(f, "gpt2")
	raw := tok.byteTokens()
	f.Fuzz(func(t *testing.T, data []byte) {
		s := tok.Stream()
		var b strings.Builder
		for _, c := range data {
			b.WriteString(s.Next(raw[c]))
		}
		b.WriteString(s.Flush())
		if want := lossy(data); b.String() != want {
			t.Errorf("%q: streamed %q, want %q", data, b.String(), want)
		}
	})
}
