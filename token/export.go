package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"kuai/format/gguf"
	"kuai/token/split"
)

// preNames are GGUF's names of the splits that are matched by hand.
var preNames = map[string]string{
	split.GPT2: "gpt-2", split.Llama3: "llama-bpe", split.Qwen2: "qwen2", split.O200k: "gpt-4o",
}

// pre finds GGUF's name of what a pre-tokenizer does.
func (s *stage) pre() (string, bool) {
	if s == nil {
		return "", false
	}
	switch {
	case s.Type == "ByteLevel" && (s.UseRegex == nil || *s.UseRegex) && (s.AddPrefix == nil || !*s.AddPrefix):
		return "gpt-2", true
	case s.Type == "Split":
		name, ok := preNames[s.Pattern.Regex]
		return name, ok
	case s.Type != "Sequence" || len(s.PreTokenizers) == 0:
		return "", false
	}
	name, ok := s.PreTokenizers[0].pre()
	if d := s.PreTokenizers[0]; d.Type == "Digits" && d.Individual && len(s.PreTokenizers) == 2 {
		rest, same := s.PreTokenizers[1].pre()
		return "smollm", same && rest == "gpt-2"
	}
	return name, ok
}

// ToGGUF turns a tokenizer.json of byte-level BPE into the keys of a GGUF file,
// with unused tokens up to size. conf, tokenizer_config.json, may be nil.
func ToGGUF(data, conf []byte, size int) ([]gguf.Key, error) {
	t, err := FromJSON(data, conf)
	if err != nil {
		return nil, err
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("token: tokenizer.json: %w", err)
	}
	pre, known := f.PreTokenizer.pre()
	if f.Model.Type == "Unigram" || !known || !f.Decoder.has("ByteLevel") {
		return nil, errors.New("token: only byte-level BPE with a known split can become GGUF; this is another tokenizer")
	}
	if f.Normalizer != nil && f.Normalizer.Type != "NFC" {
		return nil, fmt.Errorf("token: a normalizer of type %q has no place in GGUF", f.Normalizer.Type)
	}
	if size < t.Size() || size > MaxVocabulary {
		return nil, fmt.Errorf("token: %d tokens for an embedding of %d", t.Size(), size)
	}
	texts, types := make([]string, size), make([]int32, size)
	for i := range texts {
		texts[i], types[i] = fmt.Sprintf("[PAD%d]", i), 5
		if i >= t.Size() || t.pieces[i].kind == unused {
			continue
		}
		texts[i] = t.pieces[i].text
		types[i] = map[kind]int32{normal: 1, control: 3, added: 4}[t.pieces[i].kind]
	}
	merges, err := f.lines()
	if err != nil {
		return nil, err
	}
	keys := []gguf.Key{
		{Name: keyModel, Value: "gpt2"},
		{Name: keyPre, Value: pre},
		{Name: keyTokens, Value: texts},
		{Name: keyTypes, Value: types},
		{Name: keyMerges, Value: merges},
		{Name: keyAddBOS, Value: t.AddBOS()},
	}
	if id, ok := t.BOS(); ok {
		keys = append(keys, gguf.Key{Name: keyBOS, Value: uint32(id)})
	}
	if id, ok := t.EOS(); ok {
		keys = append(keys, gguf.Key{Name: keyEOS, Value: uint32(id)})
	}
	var c struct {
		Template string `json:"chat_template"`
	}
	if conf != nil && json.Unmarshal(conf, &c) == nil && c.Template != "" {
		keys = append(keys, gguf.Key{Name: "tokenizer.chat_template", Value: c.Template})
	}
	return keys, nil
}

// lines returns the merges in their older form.
func (f *file) lines() ([]string, error) {
	var lines []string
	if json.Unmarshal(f.Model.Merges, &lines) == nil {
		return lines, nil
	}
	var pairs [][2]string
	if err := json.Unmarshal(f.Model.Merges, &pairs); err != nil {
		return nil, fmt.Errorf("token: tokenizer.json: merges: %w", err)
	}
	lines = nil // what the first try left
	for _, p := range pairs {
		lines = append(lines, p[0]+" "+p[1])
	}
	return lines, nil
}

// ToJSON turns the byte-level BPE of a GGUF file into tokenizer.json and
// tokenizer_config.json.
func ToJSON(f *gguf.File) (data, conf []byte, err error) {
	t, err := FromGGUF(f)
	if err != nil {
		return nil, nil, err
	}
	if model, _ := f.String(keyModel); model != "gpt2" {
		return nil, nil, fmt.Errorf("token: a %q vocabulary cannot become tokenizer.json, only byte-level BPE", model)
	}
	pre, _ := f.String(keyPre)
	words, err := jsonSplit(pre)
	if err != nil {
		return nil, nil, err
	}
	vocab := map[string]int{}
	special := []map[string]any{}
	for i, p := range t.pieces {
		switch p.kind {
		case normal:
			vocab[p.text] = i
		case control, added, unknown:
			vocab[p.text] = i
			special = append(special, addedToken(i, p.text, p.kind != added))
		}
	}
	lines, _ := f.Strings(keyMerges)
	merges := [][2]string{}
	err = readLines(lines, func(left, right string) { merges = append(merges, [2]string{left, right}) })
	if err != nil {
		return nil, nil, err
	}
	data, err = json.MarshalIndent(document(words, special, vocab, merges, pre == "llama-bpe"), "", " ")
	if err != nil {
		return nil, nil, fmt.Errorf("token: %w", err)
	}
	config := map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": t.AddBOS(), "clean_up_tokenization_spaces": false}
	if id, ok := t.BOS(); ok {
		config["bos_token"] = t.Piece(id)
	}
	if id, ok := t.EOS(); ok {
		config["eos_token"] = t.Piece(id)
	}
	conf, err = json.MarshalIndent(config, "", " ")
	return data, conf, err
}

// addedToken is an entry of added_tokens.
func addedToken(id int, text string, special bool) map[string]any {
	return map[string]any{
		"id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
		"normalized": false, "special": special,
	}
}

// document is a tokenizer.json of byte-level BPE.
func document(words map[string]any, special []map[string]any, vocab map[string]int, merges [][2]string, whole bool) map[string]any {
	bytes := func(trim bool) map[string]any {
		return map[string]any{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": trim, "use_regex": true}
	}
	return map[string]any{
		"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": special, "normalizer": nil,
		"pre_tokenizer": words, "post_processor": bytes(false), "decoder": bytes(true),
		"model": map[string]any{
			"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
			"fuse_unk": false, "byte_fallback": false, "ignore_merges": whole, "vocab": vocab, "merges": merges,
		},
	}
}

// jsonSplit is the pre-tokenizer of a GGUF name.
func jsonSplit(pre string) (map[string]any, error) {
	bytes := func(regex bool) map[string]any {
		return map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex}
	}
	sequence := func(steps ...any) map[string]any {
		return map[string]any{"type": "Sequence", "pretokenizers": steps}
	}
	isolate := func(pattern string) map[string]any {
		return map[string]any{
			"type": "Split", "pattern": map[string]any{"Regex": pattern}, "behavior": "Isolated", "invert": false,
		}
	}
	switch pre {
	case "gpt-2":
		return bytes(true), nil
	case "", "default":
		return sequence(isolate(`[\p{P}$+<=>\^~|]+`), isolate(split.GPT2), isolate(`\p{N}+`), isolate(`[0-9][0-9][0-9]`), bytes(false)), nil
	case "smollm", "starcoder", "refact", "command-r":
		return sequence(map[string]any{"type": "Digits", "individual_digits": true}, bytes(true)), nil
	}
	for pattern, name := range preNames {
		if name == pre || name == "llama-bpe" && (pre == "llama3" || pre == "llama-v3") || name == "gpt-4o" && pre == "minimax-m2" {
			return sequence(isolate(pattern), bytes(false)), nil
		}
	}
	return nil, fmt.Errorf("token: the split %q has no known form in tokenizer.json", pre)
}

// readLines gives the pairs of merges away.
func readLines(lines []string, yield func(left, right string)) error {
	for i, l := range lines {
		at := strings.IndexByte(l, ' ')
		if at < 1 {
			return fmt.Errorf("token: merge %d is no pair", i)
		}
		yield(l[:at], l[at+1:])
	}
	return nil
}
