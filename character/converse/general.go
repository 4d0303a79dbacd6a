package converse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"kuai/serve/chat"
	"kuai/serve/upstream"
	"kuai/text/prompt"
	"kuai/text/sample"
)

// Served speaks with any language model that is served here, through its chat
// template: what is known of the people and of the past goes into the system
// message, the last turns are messages.
type Served struct{ talker *chat.Talker }

// NewServed returns the speaker of a model that is served.
func NewServed(t *chat.Talker) *Served { return &Served{t} }

// Room is at most what larger models make good use of, less where the context
// is small.
func (s *Served) Room() Room { return roomIn(s.talker.Context()) }

// roomIn divides a context: about a tenth is left for the marks of turns.
func roomIn(context int) Room {
	return Room{
		Card: min(4096, context*7/20), Pack: min(packTokens, context/5), Recent: min(4096, context/5),
		Turns: 64, Reply: min(1024, context*3/20),
	}
}

// Sampling is livelier than that of the small model.
func (*Served) Sampling() sample.Params { return generalSampling() }

func generalSampling() sample.Params { return sample.Params{Temperature: 0.8, TopP: 0.95} }

// Corrected is false: a larger model says what it was told in words of its own.
func (*Served) Corrected() bool { return false }

// Tokens counts.
func (s *Served) Tokens(t string) int {
	return len(s.talker.Tokens([]prompt.Segment{{Text: t, Literal: true}}))
}

// Speak lets the model speak.
func (s *Served) Speak(ctx context.Context, p *Prompt, show func(string)) (string, error) {
	room := s.Room()
	in := prompt.Input{Prefix: p.Begun}
	for _, m := range p.messages(room, s.Tokens) {
		in.Messages = append(in.Messages, prompt.Message{Role: m.Role, Content: m.Content})
	}
	ready, err := s.talker.Prepare(in, chat.Request{Sampling: p.Sampling, MaxTokens: room.Reply, Stop: p.stops()})
	if err == nil {
		err = p.Admit(ctx, ready.Tokens(), room.Reply)
	}
	if err != nil {
		return "", err
	}
	a, err := ready.Ask(ctx)
	if err != nil {
		return "", err
	}
	out := newUnnamed(p, show)
	_, result, err := a.ReadAll(context.WithoutCancel(ctx), func(part prompt.Part) { // the engine ends it when ctx does
		if part.Kind == prompt.KindText {
			out.put(part.Text)
		}
	})
	if result != nil {
		p.Used(result.Usage)
	}
	if err != nil {
		return "", err
	}
	return out.end(), nil
}

// upstreamContext is taken for the context of a model elsewhere, which servers
// do not tell.
const upstreamContext = 8192

// upstreamMarks is what a chat template adds to a prompt at most, in tokens.
const upstreamMarks = 256

// Upstream speaks with a model of another server, through OpenAI's API.
type Upstream struct{ client *upstream.Client }

// NewUpstream returns the speaker of another server's model.
func NewUpstream(c *upstream.Client) *Upstream { return &Upstream{c} }

// Room is for a context of 8192 tokens.
func (*Upstream) Room() Room { return roomIn(upstreamContext) }

// Sampling is livelier than that of the small model.
func (*Upstream) Sampling() sample.Params { return generalSampling() }

// Corrected is false: a larger model says what it was told in words of its own.
func (*Upstream) Corrected() bool { return false }

// Tokens guesses, rather too many: the vocabulary is not known here.
func (s *Upstream) Tokens(t string) int { return s.guess(len(t)) }

func (*Upstream) guess(bytes int) int { return (bytes + 2) / 3 }

// Speak lets the model speak.
func (s *Upstream) Speak(ctx context.Context, p *Prompt, show func(string)) (string, error) {
	room := s.Room()
	messages := p.messages(room, s.Tokens)
	if p.Begun != "" {
		messages = append(messages, upstream.Message{Role: "assistant", Content: p.Begun}, upstream.Message{Role: "user", Content: continued[p.Language]})
	}
	used := chat.Usage{Prompt: upstreamMarks}
	for _, m := range messages {
		used.Prompt += s.Tokens(m.Content)
	}
	most := used.Prompt
	if err := p.Admit(ctx, most, room.Reply); err != nil {
		return "", err
	}
	a, err := s.client.Open(ctx, map[string]any{
		"messages": messages, "max_tokens": room.Reply, "temperature": p.Sampling.Temperature, "top_p": p.Sampling.TopP, "stop": p.stops(),
	})
	if err != nil {
		return "", err
	}
	defer a.Close()
	out, length, counted := newUnnamed(p, show), 0, false
	for {
		d, err := a.Next()
		if errors.Is(err, io.EOF) {
			return out.end(), nil
		}
		if err != nil {
			return "", err
		}
		out.put(d.Content)
		length += len(d.Content) + len(d.Reasoning)
		if !counted {
			used.Completion = min(s.guess(length), room.Reply)
		}
		if u := d.Usage; u != nil && u.Prompt >= 0 && u.Completion >= 0 {
			counted, used = true, chat.Usage{Prompt: min(u.Prompt, most), Completion: u.Completion, Reused: min(max(u.Details.Cached, 0), u.Prompt, most)}
		}
		p.Used(used)
	}
}

// unnamed takes the name off that models like to begin a line with, and space
// before the text.
type unnamed struct {
	names []string
	show  func(string)
	held  string // until it is known whether it is a name
	begun bool
	all   strings.Builder
}

func newUnnamed(p *Prompt, show func(string)) *unnamed {
	name := p.Char
	if p.AsUser {
		name = p.User
	}
	return &unnamed{names: []string{name + ":", name + "："}, show: show, begun: p.Begun != ""}
}

// put takes the next piece.
func (u *unnamed) put(piece string) {
	if u.begun {
		u.write(piece)
		return
	}
	u.held += piece
	text := strings.TrimLeft(u.held, " \t\r\n")
	for _, n := range u.names {
		if rest, ok := strings.CutPrefix(text, n); ok {
			if text = strings.TrimLeft(rest, " \t\r\n"); text == "" {
				return
			}
		} else if strings.HasPrefix(n, text) {
			return
		}
	}
	u.begun, u.held = true, ""
	u.write(text)
}

func (u *unnamed) write(piece string) {
	u.all.WriteString(piece)
	if u.show != nil && piece != "" {
		u.show(piece)
	}
}

// end returns what there was.
func (u *unnamed) end() string {
	if !u.begun {
		u.write(strings.TrimSpace(u.held))
	}
	return u.all.String()
}

// stops are what a reply ends before: another's line.
func (p *Prompt) stops() []string {
	const most = 4 // that servers take
	all := []string{"\n" + p.User + ":"}
	if p.AsUser {
		all[0] = "\n" + p.Char + ":"
	}
	for _, o := range p.Others {
		all = append(all, "\n"+o+":")
	}
	return all[:min(len(all), most)]
}

// messages is the prompt of a general model. Lines of others than the user and
// the one who speaks are the user's with a name before, as templates show none;
// in company the user's have theirs too.
func (p *Prompt) messages(room Room, tokens func(string) int) []upstream.Message {
	out := []upstream.Message{{Role: "system", Content: p.system(room, tokens)}}
	for _, l := range p.Lines {
		m := upstream.Message{Role: "user", Content: l.Text}
		switch {
		case l.Own:
			m.Role = "assistant"
		case !l.User || len(p.Others) > 0:
			m.Content = oneLine(l.Name) + ": " + l.Text
		}
		if n := len(out); out[n-1].Role == m.Role { // templates want them in turns
			out[n-1].Content += "\n" + m.Content
			continue
		}
		out = append(out, m)
	}
	if p.AsUser {
		out = say(out, fmt.Sprintf(frame[p.Language].user, oneLine(p.Char), oneLine(p.User)))
	}
	if len(out) == 1 || out[1].Role == "assistant" {
		out = append(out[:1:1], append([]upstream.Message{{Role: "user", Content: "…"}}, out[1:]...)...)
	}
	if out[len(out)-1].Role == "assistant" {
		out = say(out, "…")
	}
	return out
}

// say adds something that the user says.
func say(messages []upstream.Message, text string) []upstream.Message {
	if n := len(messages); messages[n-1].Role == "user" {
		messages[n-1].Content = strings.TrimSpace(messages[n-1].Content + "\n" + text)
		return messages
	}
	return append(messages, upstream.Message{Role: "user", Content: text})
}
