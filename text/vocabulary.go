package text

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"kuai/format/gguf"
	"kuai/token"
)

// maxTokenizerBytes is the largest tokenizer.json that is read.
const maxTokenizerBytes = 256 << 20

// Tokenizer returns the model's tokenizer, nil where its files have none.
func (m *Model) Tokenizer() *token.Tokenizer { return m.tokenizer }

// ChatTemplate returns the Jinja template that makes a prompt of a
// conversation, "" where the model's files have none.
func (m *Model) ChatTemplate() string { return m.template }

// ggufVocabulary reads the tokenizer of a GGUF file.
func (m *Model) ggufVocabulary(f *gguf.File) error {
	m.template, _ = f.String("tokenizer.chat_template")
	if kind, ok := f.String("tokenizer.ggml.model"); !ok || kind == "none" {
		return nil
	}
	t, err := token.FromGGUF(f)
	if err != nil {
		return fmt.Errorf("text: %s: %w", m.path, err)
	}
	m.tokenizer = t
	return m.fits()
}

// hfVocabulary reads the tokenizer of a directory.
func (m *Model) hfVocabulary() error {
	data, err := optional(m.path, "tokenizer.json", maxTokenizerBytes)
	if err != nil {
		return err
	}
	config, err := optional(m.path, "tokenizer_config.json", maxTokenizerBytes)
	if err != nil {
		return err
	}
	template, err := optional(m.path, "chat_template.jinja", maxConfigBytes)
	if err != nil {
		return err
	}
	if m.template = string(template); template == nil && config != nil {
		m.template = templateOf(config)
	}
	if data == nil {
		return nil
	}
	if m.tokenizer, err = token.FromJSON(data, config); err != nil {
		return fmt.Errorf("text: %s: %w", m.path, err)
	}
	return m.fits()
}

// fits says whether the tokenizer's ids all have a row in the embedding; the
// embedding may be larger, padded to a round number.
func (m *Model) fits() error {
	if n := m.tokenizer.Size(); n > m.config.Vocab {
		return fmt.Errorf("text: %s: tokenizer of %d tokens, embedding of %d", m.path, n, m.config.Vocab)
	}
	return nil
}

// optional reads a file of a directory, nil where there is none.
func optional(dir, name string, limit int64) ([]byte, error) {
	data, err := readLimited(filepath.Join(dir, name), limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// templateOf returns the chat template in a tokenizer_config.json: a string,
// or a list of which the one called default is taken.
func templateOf(config []byte) string {
	var one struct {
		Template string `json:"chat_template"`
	}
	if json.Unmarshal(config, &one) == nil {
		return one.Template
	}
	var many struct {
		Templates []struct{ Name, Template string } `json:"chat_template"`
	}
	if json.Unmarshal(config, &many) != nil {
		return ""
	}
	for _, t := range many.Templates {
		if t.Name == "default" {
			return t.Template
		}
	}
	return ""
}
