package memory

import (
	"context"
	"fmt"
	"strings"

	"kuai/serve/chat"
	"kuai/serve/upstream"
	"kuai/text/prompt"
)

const (
	servedTokens  = 256 // of a reply
	bytesPerToken = 3   // where the tokenizer is elsewhere
)

// What a served model is told before a pack and a question: that it may answer
// in a few words, and how to say that the pack does not; or to repeat.
const (
	TaskAnswer = "Somebody asks about conversations of the past. The lines are what a memory found for the question, each with its day and who said it. " +
		"Answer the question in as few words as possible, with the words of the lines. If the lines do not say, answer: not mentioned."
	TaskRepeat = "You talked with the user before. The lines are what your memory found, each with its day and who said it; \"companion\" is you. " +
		"Do what the user asks: repeat word for word what you said then, and nothing else."
)

// Message is a part of a conversation: its role is system, user or assistant.
type Message = upstream.Message

// Served is any language model, of this machine or another server, by the
// likeliest tokens. It is a Replier and a Talker.
type Served struct {
	task   string
	talk   func(context.Context, []Message) (string, error)
	tokens func(string) int
}

// NewUpstream returns a model of another server; task is what it is told
// before a pack.
func NewUpstream(c *upstream.Client, task string) *Served {
	return &Served{
		task: task,
		talk: func(ctx context.Context, m []Message) (string, error) {
			return c.Chat(ctx, upstream.Request{Messages: m, MaxTokens: servedTokens, TopP: 1}, nil)
		},
		tokens: func(s string) int { return (len(s) + bytesPerToken - 1) / bytesPerToken },
	}
}

// NewLocal returns a model of this machine that has a chat template.
func NewLocal(t *chat.Talker, task string) *Served {
	return &Served{
		task: task,
		talk: func(ctx context.Context, all []Message) (string, error) {
			var in prompt.Input
			for _, m := range all {
				in.Messages = append(in.Messages, prompt.Message{Role: m.Role, Content: m.Content})
			}
			a, err := t.Ask(ctx, in, chat.Request{MaxTokens: servedTokens})
			if err != nil {
				return "", err
			}
			reply, _, err := a.ReadAll(context.WithoutCancel(ctx), nil) // the engine ends it when ctx does
			return reply.Content, err
		},
		tokens: func(s string) int { return len(t.Tokens([]prompt.Segment{{Text: s, Literal: true}})) },
	}
}

// Answer answers a question with a memory pack before it.
func (s *Served) Answer(ctx context.Context, pack, question string) (string, error) {
	return s.Talk(ctx, []Message{{Role: "system", Content: s.task}, {Role: "user", Content: pack + "\n" + question}})
}

// Tokens counts a text's tokens, or estimates them.
func (s *Served) Tokens(text string) int { return s.tokens(text) }

// Talk returns the reply to a whole conversation.
func (s *Served) Talk(ctx context.Context, messages []Message) (string, error) {
	reply, err := s.talk(ctx, messages)
	if err != nil {
		return "", fmt.Errorf("memory: %w", err)
	}
	return strings.TrimSpace(reply), nil
}
