package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"kuai/token/charsmap"
	"kuai/token/merge"
)

// maxJSON bounds the bytes of a tokenizer.json.
const maxJSON = 256 << 20

// maxGaps bounds numbers without a token: a small file takes little memory.
const maxGaps = 1 << 16

// file is a tokenizer.json, as github.com/huggingface/tokenizers writes it.
type file struct {
	Added []struct {
		ID         int32  `json:"id"`
		Content    string `json:"content"`
		SingleWord bool   `json:"single_word"`
		LStrip     bool   `json:"lstrip"`
		RStrip     bool   `json:"rstrip"`
		Special    bool   `json:"special"`
		Normalized bool   `json:"normalized"`
	} `json:"added_tokens"`
	Normalizer    *stage `json:"normalizer"`
	PreTokenizer  *stage `json:"pre_tokenizer"`
	PostProcessor *stage `json:"post_processor"`
	Decoder       *stage `json:"decoder"`
	Model         struct {
		Type         string          `json:"type"`
		Vocab        json.RawMessage `json:"vocab"`
		Merges       json.RawMessage `json:"merges"`
		Unknown      *string         `json:"unk_token"`
		UnknownID    *int32          `json:"unk_id"`
		ByteFallback bool            `json:"byte_fallback"`
		FuseUnknown  bool            `json:"fuse_unk"`
		IgnoreMerges bool            `json:"ignore_merges"`
		Prefix       *string         `json:"continuing_subword_prefix"`
		Suffix       *string         `json:"end_of_word_suffix"`
	} `json:"model"`
}

// stage is a normaliser, pre-tokenizer, post-processor or decoder: the fields
// of all kinds.
type stage struct {
	Type          string  `json:"type"`
	Normalizers   []stage `json:"normalizers"`
	PreTokenizers []stage `json:"pretokenizers"`
	Processors    []stage `json:"processors"`
	Decoders      []stage `json:"decoders"`

	Prepend     string        `json:"prepend"`
	Pattern     pick          `json:"pattern"`
	Content     string        `json:"content"`
	Behavior    string        `json:"behavior"`
	Invert      bool          `json:"invert"`
	UseRegex    *bool         `json:"use_regex"`
	AddPrefix   *bool         `json:"add_prefix_space"`
	Individual  bool          `json:"individual_digits"`
	Replacement string        `json:"replacement"`
	Scheme      string        `json:"prepend_scheme"`
	Split       *bool         `json:"split"`
	Charsmap    *string       `json:"precompiled_charsmap"`
	chars       *charsmap.Map // read from it
	StripLeft   *bool         `json:"strip_left"`
	StripRight  *bool         `json:"strip_right"`

	Single []map[string]struct {
		ID string `json:"id"`
	} `json:"single"`
}

// pick is a pattern: a text or a regular expression.
type pick struct {
	String string `json:"String"`
	Regex  string `json:"Regex"`
}

// config is what counts of a tokenizer_config.json.
type config struct {
	AddBOS *bool `json:"add_bos_token"`
	BOS    named `json:"bos_token"`
	EOS    named `json:"eos_token"`
}

// named is a token's text, or an object that has it as content.
type named string

// UnmarshalJSON takes both forms, and null.
func (n *named) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*n = named(text)
		return nil
	}
	var object struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal(b, &object); err != nil {
		return err
	}
	*n = named(object.Content)
	return nil
}

// FromJSON reads a tokenizer.json, and where there is one the
// tokenizer_config.json beside it; conf may be nil.
func FromJSON(data, conf []byte) (*Tokenizer, error) {
	if len(data) > maxJSON || len(conf) > maxJSON {
		return nil, fmt.Errorf("token: tokenizer.json has %d bytes, at most %d", max(len(data), len(conf)), maxJSON)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("token: tokenizer.json: %w", err)
	}
	var c config
	if conf != nil {
		if err := json.Unmarshal(conf, &c); err != nil {
			return nil, fmt.Errorf("token: tokenizer_config.json: %w", err)
		}
	}
	t, err := f.build(c)
	if err != nil {
		return nil, fmt.Errorf("token: tokenizer.json: %w", err)
	}
	return t, nil
}

func (f *file) build(c config) (*Tokenizer, error) {
	if f.Model.Prefix != nil && *f.Model.Prefix != "" || f.Model.Suffix != nil && *f.Model.Suffix != "" {
		return nil, errors.New("a model with subword prefixes or suffixes cannot be read")
	}
	vocab, scores, err := f.vocabulary()
	if err != nil {
		return nil, err
	}
	byteLevel := f.PreTokenizer.has("ByteLevel") || f.Normalizer.has("ByteLevel") || f.Decoder.has("ByteLevel")
	pieces, marks, err := f.pieces(vocab, byteLevel)
	if err != nil {
		return nil, err
	}
	t := newTokenizer(pieces)
	if t.normalize, err = f.Normalizer.normalizer(); err != nil {
		return nil, err
	}
	for _, m := range marks {
		if m.normalized && t.normalize != nil { // what the reference writes for it
			t.pieces[m.id].bytes = spaceBytes(t.normalize(m.text))
		}
	}
	if t.split, err = f.PreTokenizer.splitter(); err != nil {
		return nil, err
	}
	if err := f.model(t, byteLevel, scores); err != nil {
		return nil, err
	}
	t.trim = f.Decoder.trims()
	if t.lead, err = f.PreTokenizer.lead(); err != nil {
		return nil, err
	}
	f.specials(t, c)
	t.finish(marks)
	return t, nil
}

// vocabulary reads the pieces in the order of their numbers; Unigram's have
// scores.
func (f *file) vocabulary() (texts []string, scores []float64, err error) {
	if f.Model.Type == "Unigram" {
		var list [][2]any
		if err := json.Unmarshal(f.Model.Vocab, &list); err != nil {
			return nil, nil, fmt.Errorf("vocab: %w", err)
		}
		if len(list) > MaxVocabulary {
			return nil, nil, fmt.Errorf("vocab: %d entries, at most %d", len(list), MaxVocabulary)
		}
		for i, e := range list {
			text, isText := e[0].(string)
			score, isScore := e[1].(float64)
			if !isText || !isScore || len(text) > MaxPiece {
				return nil, nil, fmt.Errorf("vocab: entry %d is no pair of a score and a text of at most %d bytes", i, MaxPiece)
			}
			texts, scores = append(texts, text), append(scores, score)
		}
		return texts, scores, nil
	}
	if f.Model.Type != "BPE" && f.Model.Type != "" {
		return nil, nil, fmt.Errorf("a model of type %q cannot be read, want BPE or Unigram", f.Model.Type)
	}
	var ids map[string]int32
	if err := json.Unmarshal(f.Model.Vocab, &ids); err != nil {
		return nil, nil, fmt.Errorf("vocab: %w", err)
	}
	if len(ids) > MaxVocabulary {
		return nil, nil, fmt.Errorf("vocab: %d entries, at most %d", len(ids), MaxVocabulary)
	}
	most, limit := int32(-1), min(MaxVocabulary, 2*(len(ids)+len(f.Added))+maxGaps)
	for text, id := range ids {
		if id < 0 || int(id) >= limit || len(text) > MaxPiece {
			return nil, nil, fmt.Errorf("vocab: entry %.40q is number %d", text, id)
		}
		most = max(most, id)
	}
	texts = make([]string, most+1)
	for text, id := range ids {
		if texts[id] != "" {
			return nil, nil, fmt.Errorf("vocab: %.40q and %.40q are both number %d", min(text, texts[id]), max(text, texts[id]), id)
		}
		texts[id] = text
	}
	return texts, nil, nil
}

// pieces joins the vocabulary and the added tokens.
func (f *file) pieces(texts []string, byteLevel bool) ([]piece, []mark, error) {
	size, limit := len(texts), min(MaxVocabulary, 2*(len(texts)+len(f.Added))+maxGaps)
	for _, a := range f.Added {
		if a.ID < 0 || int(a.ID) >= limit || len(a.Content) > MaxPiece {
			return nil, nil, fmt.Errorf("added token %.40q is number %d", a.Content, a.ID)
		}
		size = max(size, int(a.ID)+1)
	}
	pieces := make([]piece, size)
	for i := range pieces {
		pieces[i].kind = unused
	}
	for i, text := range texts {
		p := piece{text: text}
		if byteLevel {
			p.bytes = fromByteLevel(text)
		} else {
			p.bytes = spaceBytes(text)
			if _, ok := rawByte(text); ok && f.Model.ByteFallback {
				p.kind = raw
			}
		}
		if text == "" {
			p.kind = unused
		}
		pieces[i] = p
	}
	var marks []mark
	for _, a := range f.Added {
		p := piece{text: a.Content, bytes: []byte(a.Content), kind: added}
		if a.Special {
			p.kind = control
		}
		if b, ok := rawByte(a.Content); ok && f.Model.ByteFallback {
			p.kind, p.bytes = raw, []byte{b}
		}
		pieces[a.ID] = p
		marks = append(marks, mark{a.Content, a.ID, a.LStrip, a.RStrip, a.SingleWord, a.Normalized})
	}
	return pieces, marks, nil
}

// model sets the merger.
func (f *file) model(t *Tokenizer, byteLevel bool, scores []float64) error {
	unknownID := int32(-1)
	if f.Model.Unknown != nil {
		if id, ok := t.ids[*f.Model.Unknown]; ok {
			unknownID = id
		}
	}
	if f.Model.Type == "Unigram" {
		if u := f.Model.UnknownID; u != nil {
			unknownID = *u
		}
		all := make([]float64, len(t.pieces)) // added tokens have no score
		copy(all, scores)
		if unknownID >= int32(len(t.pieces)) {
			return fmt.Errorf("unk_id is %d of %d", unknownID, len(t.pieces))
		}
		t.model = t.newUnigram(all, unknownID, f.Model.ByteFallback)
		return nil
	}
	merges, err := f.merges(t)
	if err != nil {
		return err
	}
	b := &merge.BPE{Merges: merges, Unknown: unknownID, Fuse: f.Model.FuseUnknown}
	if byteLevel {
		b.Bytes = t.byteTokens()
	} else {
		b.Runes, b.Raw, b.Fallback = t.textIDs(), t.rawBytes(), f.Model.ByteFallback
	}
	if f.Model.IgnoreMerges {
		b.Whole = t.textIDs()
		if byteLevel {
			b.Whole = t.byteWords()
		}
	}
	t.model = b
	if !byteLevel && b.Whole == nil {
		t.byWords(b.Runes)
	}
	return nil
}

// merges reads both forms: "a b" and ["a", "b"].
func (f *file) merges(t *Tokenizer) (map[merge.Pair]merge.Merge, error) {
	if f.Model.Merges == nil {
		return nil, errors.New("the model has no merges")
	}
	var lines []string
	if json.Unmarshal(f.Model.Merges, &lines) == nil {
		return t.readMerges(len(lines), func(i int) (left, right string, ok bool) {
			return strings.Cut(lines[i], " ")
		})
	}
	var pairs [][]string
	if err := json.Unmarshal(f.Model.Merges, &pairs); err != nil {
		return nil, fmt.Errorf("merges: %w", err)
	}
	return t.readMerges(len(pairs), func(i int) (left, right string, ok bool) {
		if len(pairs[i]) != 2 {
			return "", "", false
		}
		return pairs[i][0], pairs[i][1], true
	})
}

// specials finds the tokens that begin and end a sequence.
func (f *file) specials(t *Tokenizer, c config) {
	first := f.PostProcessor.first()
	if id, ok := t.ids[first]; ok && first != "" {
		t.bos, t.addBOS = id, true
	}
	if id, ok := t.ids[string(c.BOS)]; ok && c.BOS != "" {
		t.bos = id
	}
	if c.AddBOS != nil && first == "" {
		t.addBOS = *c.AddBOS
	}
	if id, ok := t.ids[string(c.EOS)]; ok && c.EOS != "" {
		t.eos = id
	}
}

// first returns the token that a template puts before a text.
func (s *stage) first() string {
	if s == nil {
		return ""
	}
	if len(s.Single) > 0 {
		if token, ok := s.Single[0]["SpecialToken"]; ok {
			return token.ID
		}
	}
	for i := range s.Processors {
		if f := s.Processors[i].first(); f != "" {
			return f
		}
	}
	return ""
}

// has says whether a stage or one within it is of a type.
func (s *stage) has(kind string) bool {
	if s == nil {
		return false
	}
	if s.Type == kind {
		return true
	}
	for _, list := range [][]stage{s.Normalizers, s.PreTokenizers, s.Decoders} {
		for i := range list {
			if list[i].has(kind) {
				return true
			}
		}
	}
	return false
}

// trims says whether a decoder takes the first space away.
func (s *stage) trims() bool {
	if s == nil {
		return false
	}
	if s.Type == "Metaspace" {
		return s.prepends() != "never"
	}
	if s.Type == "Strip" {
		return s.Content == " "
	}
	for i := range s.Decoders {
		if s.Decoders[i].trims() {
			return true
		}
	}
	return false
}
