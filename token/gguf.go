package token

import (
	"fmt"
	"math"
	"strings"

	"kuai/format/gguf"
	"kuai/token/charsmap"
	"kuai/token/merge"
	"kuai/token/split"
)

// Keys of GGUF files.
const (
	keyModel  = "tokenizer.ggml.model"
	keyPre    = "tokenizer.ggml.pre"
	keyTokens = "tokenizer.ggml.tokens"
	keyTypes  = "tokenizer.ggml.token_type"
	keyScores = "tokenizer.ggml.scores"
	keyMerges = "tokenizer.ggml.merges"
	keyPrefix = "tokenizer.ggml.add_space_prefix"
	keyBOS    = "tokenizer.ggml.bos_token_id"
	keyEOS    = "tokenizer.ggml.eos_token_id"
	keyEOT    = "tokenizer.ggml.eot_token_id"
	keyEOM    = "tokenizer.ggml.eom_token_id"
	keyUNK    = "tokenizer.ggml.unknown_token_id"
	keyAddBOS = "tokenizer.ggml.add_bos_token"
	// of Unigram
	keySingle   = "tokenizer.ggml.remove_extra_whitespaces"
	keyCharsmap = "tokenizer.ggml.precompiled_charsmap"
)

// types of tokens in GGUF files, from 1.
var ggufKinds = [...]kind{1: normal, 2: unknown, 3: control, 4: added, 5: unused, 6: raw}

// FromGGUF reads the tokenizer of a model file.
func FromGGUF(f *gguf.File) (*Tokenizer, error) {
	model, ok := f.String(keyModel)
	if !ok {
		return nil, fmt.Errorf("token: the file has no tokenizer (%s)", keyModel)
	}
	texts, ok := f.Strings(keyTokens)
	if !ok || len(texts) == 0 || len(texts) > MaxVocabulary {
		return nil, fmt.Errorf("token: %s: %d tokens, want 1 to %d", keyTokens, len(texts), MaxVocabulary)
	}
	byteLevel := model == "gpt2"
	pieces, err := ggufPieces(f, texts, byteLevel)
	if err != nil {
		return nil, err
	}
	t := newTokenizer(pieces)
	switch model {
	case "gpt2":
		err = t.ggufBPE(f)
	case "llama":
		err = t.ggufScored(f)
	case "t5":
		err = t.ggufUnigram(f)
	default:
		err = fmt.Errorf("token: %s is %q, can read gpt2, llama and t5", keyModel, model)
	}
	if err != nil {
		return nil, err
	}
	return t, t.ggufSpecials(f, model)
}

func ggufPieces(f *gguf.File, texts []string, byteLevel bool) ([]piece, error) {
	types, _ := f.Ints(keyTypes)
	if types != nil && len(types) != len(texts) {
		return nil, fmt.Errorf("token: %s has %d entries for %d tokens", keyTypes, len(types), len(texts))
	}
	pieces := make([]piece, len(texts))
	for i, text := range texts {
		if len(text) > MaxPiece {
			return nil, fmt.Errorf("token: token %d has %d bytes, at most %d", i, len(text), MaxPiece)
		}
		p := piece{text: text}
		if types != nil && types[i] > 0 && types[i] < int64(len(ggufKinds)) {
			p.kind = ggufKinds[types[i]]
		}
		switch {
		case p.kind == added || p.kind == control:
			p.bytes = []byte(text)
		case byteLevel:
			p.bytes = fromByteLevel(text)
		default:
			p.bytes = spaceBytes(text)
		}
		pieces[i] = p
	}
	return pieces, nil
}

func (t *Tokenizer) ggufBPE(f *gguf.File) error {
	pre, _ := f.String(keyPre)
	words, ok := split.ByName(pre)
	if !ok {
		return fmt.Errorf("token: %s is %q, which is not known; use the model's tokenizer.json", keyPre, pre)
	}
	t.split = words
	lines, _ := f.Strings(keyMerges)
	merges, err := t.readMerges(len(lines), func(i int) (left, right string, ok bool) {
		at := strings.IndexByte(lines[i], ' ')
		if at < 1 {
			return "", "", false
		}
		return lines[i][:at], lines[i][at+1:], true
	})
	if err != nil {
		return err
	}
	b := &merge.BPE{Merges: merges, Bytes: t.byteTokens(), Unknown: -1}
	if pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3" {
		b.Whole = t.byteWords()
	}
	t.model = b
	return nil
}

// byteWords maps the texts of normal tokens to their numbers: words that are
// not merged where they are tokens already.
func (t *Tokenizer) byteWords() map[string]int32 {
	out := make(map[string]int32, len(t.pieces))
	for i, p := range t.pieces {
		if p.kind == normal {
			if _, twice := out[string(p.bytes)]; !twice {
				out[string(p.bytes)] = int32(i)
			}
		}
	}
	return out
}

func (t *Tokenizer) ggufScores(f *gguf.File) ([]float64, error) {
	scores, _ := f.Floats(keyScores)
	if len(scores) != len(t.pieces) {
		return nil, fmt.Errorf("token: %s has %d entries for %d tokens", keyScores, len(scores), len(t.pieces))
	}
	for i, s := range scores {
		if math.IsNaN(s) || math.IsInf(s, 0) {
			return nil, fmt.Errorf("token: %s: token %d has the score %g", keyScores, i, s)
		}
	}
	return scores, nil
}

// spaces writes text as SentencePiece does, with a space before it if so
// wished: llama.cpp puts one after each added token, too.
func spaces(prefix bool) func(string) string {
	return func(text string) string {
		if prefix {
			text = " " + text
		}
		return strings.ReplaceAll(text, " ", spacePiece)
	}
}

func (t *Tokenizer) ggufScored(f *gguf.File) error {
	scores, err := t.ggufScores(f)
	if err != nil {
		return err
	}
	m := &merge.Scored{IDs: t.textIDs(), Raw: t.rawBytes(), Unknown: t.token(f, keyUNK)}
	for _, s := range scores {
		m.Scores = append(m.Scores, float32(s))
	}
	prefix, ok := f.Bool(keyPrefix)
	t.trim = prefix || !ok
	t.normalize, t.model = spaces(t.trim), m
	t.byWords(m.IDs)
	return nil
}

func (t *Tokenizer) ggufUnigram(f *gguf.File) error {
	scores, err := t.ggufScores(f)
	if err != nil {
		return err
	}
	prefix, ok := f.Bool(keyPrefix)
	t.trim = prefix || !ok
	if t.normalize, err = ggufNormalizer(f, t.trim); err != nil {
		return err
	}
	t.model = t.newUnigram(scores, t.token(f, keyUNK), false)
	return nil
}

// ggufNormalizer is what SentencePiece does to a text before a Unigram model.
func ggufNormalizer(f *gguf.File, prefix bool) (func(string) string, error) {
	single, _ := f.Bool(keySingle)
	values, ok := f.Ints(keyCharsmap)
	if !ok && !single {
		return spaces(prefix), nil
	}
	var m *charsmap.Map
	if len(values) > 0 {
		if len(values) > charsmap.MaxBytes {
			return nil, fmt.Errorf("token: %s has %d bytes, at most %d", keyCharsmap, len(values), charsmap.MaxBytes)
		}
		data := make([]byte, len(values))
		for i, v := range values {
			data[i] = byte(v)
		}
		var err error
		if m, err = charsmap.Parse(data); err != nil {
			return nil, fmt.Errorf("token: %s: %w", keyCharsmap, err)
		}
	}
	s := charsmap.Spaces{Prefix: prefix, Single: single, Write: spacePiece}
	return func(text string) string { return m.SentencePiece(text, s) }, nil
}

// newUnigram makes the model of all normal pieces.
func (t *Tokenizer) newUnigram(scores []float64, unknown int32, bytes bool) *merge.Unigram {
	return merge.NewUnigram(&merge.Unigram{IDs: t.textIDs(), Scores: scores, Raw: t.rawBytes(), Unknown: unknown, Bytes: bytes, Fuse: true})
}

// textIDs maps the pieces that text may be cut into to their numbers.
func (t *Tokenizer) textIDs() map[string]int32 {
	out := make(map[string]int32, len(t.pieces))
	for i, p := range t.pieces {
		if p.kind == normal || p.kind == added {
			if _, twice := out[p.text]; !twice {
				out[p.text] = int32(i)
			}
		}
	}
	return out
}

// token returns the token that a key names, -1 for none.
func (t *Tokenizer) token(f *gguf.File, key string) int32 {
	id, ok := f.Int(key)
	if !ok || id < 0 || id >= int64(len(t.pieces)) {
		return -1
	}
	return int32(id)
}

func (t *Tokenizer) ggufSpecials(f *gguf.File, model string) error {
	for _, key := range []string{keyBOS, keyEOS, keyEOT, keyEOM} {
		if id, ok := f.Int(key); ok && (id < 0 || id >= int64(len(t.pieces))) {
			return fmt.Errorf("token: %s is %d of %d tokens", key, id, len(t.pieces))
		}
	}
	t.bos, t.eos = t.token(f, keyBOS), t.token(f, keyEOS)
	for _, key := range []string{keyEOT, keyEOM} {
		if id := t.token(f, key); id >= 0 {
			t.ends[id] = true
		}
	}
	add, ok := f.Bool(keyAddBOS)
	t.addBOS = add || !ok && model == "llama"
	var marks []mark
	for i, p := range t.pieces {
		if p.kind == control || p.kind == added || p.kind == unknown && model != "gpt2" {
			marks = append(marks, mark{text: p.text, id: int32(i)})
		}
	}
	t.finish(marks)
	return nil
}
