package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"

	"kuai/format/atomicfile"
	"kuai/text/prompt"
)

// maxDialogue bounds a stored dialogue.
const maxDialogue = 64 << 20 // bytes

// ErrNothingToUndo is returned where there is no turn.
var ErrNothingToUndo = errors.New("chat: nothing was said yet")

// Dialogue is one conversation with a Talker: who said what, and the engine's
// session behind it. It is for one goroutine.
type Dialogue struct {
	talker   *Talker
	settings Request // sampling and limits of every turn
	name     string  // of the session

	System   string
	Messages []prompt.Message
}

// NewDialogue begins a conversation. Each turn is asked with the settings, the
// seed one higher every time.
func NewDialogue(t *Talker, settings Request) *Dialogue {
	d := &Dialogue{talker: t, settings: settings, name: "dialogue " + callID()}
	d.settings.Conversation = d.name
	return d
}

// Say adds the user's message and asks for an answer. An answer that was cut
// short is part of the dialogue as far as it went; if nothing came, the message
// is not either.
func (d *Dialogue) Say(ctx context.Context, message string, show func(prompt.Part)) (*Result, error) {
	return d.ask(ctx, append(slices.Clone(d.Messages), prompt.Message{Role: "user", Content: message}), show)
}

// Retry asks for another answer to the last message.
func (d *Dialogue) Retry(ctx context.Context, show func(prompt.Part)) (*Result, error) {
	at := d.last()
	if at < 0 {
		return nil, ErrNothingToUndo
	}
	return d.ask(ctx, slices.Clone(d.Messages[:at+1]), show)
}

func (d *Dialogue) ask(ctx context.Context, messages []prompt.Message, show func(prompt.Part)) (*Result, error) {
	in := prompt.Input{Messages: messages}
	if d.System != "" {
		in.Messages = slices.Insert(slices.Clone(messages), 0, prompt.Message{Role: "system", Content: d.System})
	}
	d.settings.Sampling.Seed++
	a, err := d.talker.Ask(ctx, in, d.settings)
	if err != nil {
		return nil, err
	}
	m, res, err := a.ReadAll(context.WithoutCancel(ctx), show) // the engine ends it when ctx does
	if err == nil || m.Content != "" || m.Reasoning != "" || m.ToolCalls != nil {
		d.Messages = append(messages, m)
	}
	return res, err
}

// last is where the user's last message stands; -1 is nowhere.
func (d *Dialogue) last() int {
	for i, m := range slices.Backward(d.Messages) {
		if m.Role == "user" {
			return i
		}
	}
	return -1
}

// Undo takes the last turn back and returns what the user had said. The
// engine's session is rewound with the next turn.
func (d *Dialogue) Undo() (string, error) {
	at := d.last()
	if at < 0 {
		return "", ErrNothingToUndo
	}
	said := d.Messages[at].Content
	d.Messages = slices.Clip(d.Messages[:at])
	return said, nil
}

// Reset forgets all messages.
func (d *Dialogue) Reset() { d.Messages = nil }

// stored is a dialogue's file.
type stored struct {
	Format   string           `json:"format"`
	System   string           `json:"system,omitempty"`
	Messages []prompt.Message `json:"messages"`
}

const storedFormat = "kuai dialogue 1"

// stateSuffix names the file of the session beside that of the messages.
const stateSuffix = ".state"

// Save writes the dialogue to a file, and what the model has made of it to a
// second one beside it, so that it need not read all again. The messages are
// saved even where that fails.
func (d *Dialogue) Save(path string) error {
	if err := d.saveMessages(path); err != nil {
		return err
	}
	err := atomicfile.Write(path+stateSuffix, func(w io.Writer) error { return d.talker.Engine.Export(d.name, w) })
	if err == nil {
		return nil
	}
	if gone := os.Remove(path + stateSuffix); gone != nil && !errors.Is(gone, fs.ErrNotExist) { // of an earlier Save
		err = errors.Join(err, gone)
	}
	if errors.Is(err, ErrNoSession) {
		return nil
	}
	return fmt.Errorf("chat: the messages are saved, the model's state is not: %w", err)
}

func (d *Dialogue) saveMessages(path string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	messages := d.Messages
	if messages == nil {
		messages = []prompt.Message{}
	}
	if err := e.Encode(stored{storedFormat, d.System, messages}); err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	if err := atomicfile.WriteBytes(path, b.Bytes()); err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	return nil
}

// Load replaces the dialogue by one that was saved. resumed says that the model's
// state was as well; else, as with another model, the next turn reads the
// messages again.
func (d *Dialogue) Load(path string) (resumed bool, err error) {
	if err := d.loadMessages(path); err != nil {
		return false, err
	}
	f, err := os.Open(path + stateSuffix)
	if err != nil {
		return false, nil
	}
	defer f.Close() //nolint:errcheck // was only read
	if err := d.talker.Engine.Import(d.name, f); err != nil {
		slog.Debug("a saved state is of no use", "file", path+stateSuffix, "error", err)
		return false, nil
	}
	return true, nil
}

func (d *Dialogue) loadMessages(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	defer f.Close() //nolint:errcheck // was only read
	data, err := io.ReadAll(io.LimitReader(f, maxDialogue+1))
	if err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	var s stored
	switch err := json.Unmarshal(data, &s); {
	case len(data) > maxDialogue:
		return fmt.Errorf("chat: %s: more than %d bytes", path, maxDialogue)
	case err != nil:
		return fmt.Errorf("chat: %s: %w", path, err)
	case s.Format != storedFormat:
		return fmt.Errorf("chat: %s: it is no dialogue of kuai chat", path)
	}
	for i, m := range s.Messages {
		if !slices.Contains([]string{"system", "user", "assistant", "tool"}, m.Role) {
			return fmt.Errorf("chat: %s: message %d: there is no role %q", path, i, m.Role)
		}
	}
	d.System, d.Messages = s.System, s.Messages
	return nil
}
