package memory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

const (
	maxServedReply = 1 << 20 // bytes
	servedTokens   = 256     // of a reply
	charsPerToken  = 4       // of English; elsewhere a character counts as a token
)

// What a served model is told before a pack and a question: that it may answer
// in a few words, and how to say that the pack does not; or to repeat.
const (
	TaskAnswer = "Somebody asks about conversations of the past. The lines are what a memory found for the question, each with its day and who said it. " +
		"Answer the question in as few words as possible, with the words of the lines. If the lines do not say, answer: not mentioned."
	TaskRepeat = "You talked with the user before. The lines are what your memory found, each with its day and who said it; \"companion\" is you. " +
		"Do what the user asks: repeat word for word what you said then, and nothing else."
)

// Served is a model behind the OpenAI protocol: what kuai serve, llama.cpp,
// vLLM and the large providers speak. It is a Replier and a Talker.
type Served struct {
	URL   string // up to /v1
	Model string
	Key   string // "" for none
	Task  string // the system prompt before a pack
}

// Message is a part of a conversation as the protocol has it.
type Message struct {
	Role    string `json:"role"` // system, user or assistant
	Content string `json:"content"`
}

// Answer answers a question with a memory pack before it, by the likeliest
// tokens.
func (s *Served) Answer(ctx context.Context, pack, question string) (string, error) {
	return s.Talk(ctx, []Message{{"system", s.Task}, {"user", pack + "\n" + question}})
}

// Tokens estimates a text's tokens: the model's own tokenizer is elsewhere.
func (s *Served) Tokens(text string) int {
	n := utf8.RuneCountInString(text)
	latin := 0
	for i := range len(text) {
		if text[i] < utf8.RuneSelf {
			latin++
		}
	}
	return n - latin + (latin+charsPerToken-1)/charsPerToken
}

// Talk returns the reply to a whole conversation.
func (s *Served) Talk(ctx context.Context, messages []Message) (string, error) {
	body, err := json.Marshal(map[string]any{"model": s.Model, "messages": messages, "temperature": 0, "max_tokens": servedTokens})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(s.URL, "/")+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("memory: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if s.Key != "" {
		req.Header.Set("Authorization", "Bearer "+s.Key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("memory: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxServedReply))
	if err != nil {
		return "", fmt.Errorf("memory: %s: %w", s.URL, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("memory: %s: %s: %.300s", s.URL, resp.Status, b)
	}
	var out struct {
		Choices []struct{ Message Message }
	}
	if err := json.Unmarshal(b, &out); err != nil || len(out.Choices) == 0 {
		return "", fmt.Errorf("memory: %s: a reply without choices: %.300s", s.URL, b)
	}
	return strings.TrimSpace(out.Choices[0].Message.Content), nil
}
