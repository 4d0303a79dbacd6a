package checkpoint

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

// Vocabulary reads the model's tokenizer, nil where its files have none, and
// the Jinja template that makes a prompt of a conversation, "" likewise.
func (c *Checkpoint) Vocabulary() (t *token.Tokenizer, template string, err error) {
	if c.gguf != nil {
		t, template, err = vocabularyOfGGUF(c.gguf)
	} else {
		t, template, err = vocabularyOfDirectory(c.Path)
	}
	if err == nil && t != nil && t.Size() > c.Config.Vocab { // the embedding may be larger, padded to a round number
		err = fmt.Errorf("tokenizer of %d tokens, embedding of %d", t.Size(), c.Config.Vocab)
	}
	if err != nil {
		return nil, "", fmt.Errorf("text: %s: %w", c.Path, err)
	}
	return t, template, nil
}

func vocabularyOfGGUF(f *gguf.File) (*token.Tokenizer, string, error) {
	template, _ := f.String("tokenizer.chat_template")
	if kind, ok := f.String("tokenizer.ggml.model"); !ok || kind == "none" {
		return nil, template, nil
	}
	t, err := token.FromGGUF(f)
	return t, template, err
}

func vocabularyOfDirectory(dir string) (*token.Tokenizer, string, error) {
	data, err := optional(dir, "tokenizer.json", maxTokenizerBytes)
	if err != nil {
		return nil, "", err
	}
	config, err := optional(dir, "tokenizer_config.json", maxTokenizerBytes)
	if err != nil {
		return nil, "", err
	}
	file, err := optional(dir, "chat_template.jinja", maxConfigBytes)
	if err != nil {
		return nil, "", err
	}
	template := string(file)
	if file == nil && config != nil {
		template = templateOf(config)
	}
	if data == nil {
		return nil, template, nil
	}
	t, err := token.FromJSON(data, config)
	return t, template, err
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
