package load

import (
	"bytes"
	"context"
	"fmt"

	"kuai/media"
	"kuai/serve/chat"
	"kuai/video"
)

// Shape of the null models.
const (
	nullVocab   = 257 // the bytes and an end
	nullEnd     = 256
	nullContext = 1 << 16
	nullSide    = 16 // pixels
	nullFPS     = 12
)

// vocabulary speaks bytes.
type vocabulary struct{}

func (vocabulary) Encode(text string, _ bool) []int32 {
	ids := make([]int32, len(text))
	for i := range len(text) {
		ids[i] = int32(text[i])
	}
	return ids
}

func (vocabulary) Bytes(id int32) []byte {
	if id >= nullEnd {
		return nil
	}
	return []byte{byte(id)}
}

func (vocabulary) IsEnd(id int32) bool     { return id == nullEnd }
func (vocabulary) Size() int               { return nullVocab }
func (vocabulary) Control(id int32) bool   { return id == nullEnd }
func (v vocabulary) Piece(id int32) string { return string(v.Bytes(id)) }
func (vocabulary) ID(string) (int32, bool) { return 0, false }
func (vocabulary) BOS() (int32, bool)      { return 0, false }
func (vocabulary) EOS() (int32, bool)      { return nullEnd, true }
func (vocabulary) AddBOS() bool            { return false }

// session is a text that nobody has thought about.
type session struct{ tokens []int32 }

func (s *session) Tokens() []int32          { return s.tokens }
func (s *session) Len() int                 { return len(s.tokens) }
func (s *session) Behind() int              { return 0 }
func (s *session) Bytes() (state, kv int64) { return 0, int64(4 * len(s.tokens)) }
func (s *session) Close()                   {}
func (s *session) Rewind(n int) error {
	if n < 0 || n > len(s.tokens) {
		return fmt.Errorf("load: %d of %d tokens", n, len(s.tokens))
	}
	s.tokens = s.tokens[:n]
	return nil
}

// writer is a language model that costs nothing: it writes the alphabet until
// it is stopped.
type writer struct{}

func (writer) Info() chat.Info {
	return chat.Info{Vocab: nullVocab, Context: nullContext, KVBytes: 4}
}

func (writer) Begin([]int32) chat.Session { return &session{} }

func (writer) Step(_ context.Context, batch []chat.Slice) error {
	for _, b := range batch {
		s, ok := b.Session.(*session)
		if !ok {
			return fmt.Errorf("load: a session of another model")
		}
		s.tokens = append(s.tokens, b.Tokens...)
		if b.Logits != nil {
			clear(b.Logits)
			b.Logits['a'+len(s.tokens)%26] = 9
		}
	}
	return nil
}

// talks is the writer as the API knows models.
type talks struct{ talker *chat.Talker }

func (t talks) Talker(name string) (*chat.Talker, string, bool) {
	return t.talker, modelName, name == "" || name == modelName
}

func (talks) Names() []string { return []string{modelName} }

// holdPrompt is that of a clip which is not finished before let is closed.
const holdPrompt = "hold"

// painter is a maker of clips that costs nothing.
type painter struct{ let chan struct{} }

func (painter) Check(r video.Request) error { return video.CheckPrompt(r.Prompt) }
func (painter) Size() int                   { return nullSide }
func (painter) Frames() int                 { return 1 }
func (painter) FPS() int                    { return nullFPS }

func (p painter) Generate(ctx context.Context, r video.Request, progress func(video.Progress)) (*video.Result, error) {
	if r.Prompt == holdPrompt {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-p.let:
		}
	}
	progress(video.Progress{Stage: "decode", Step: 1, Steps: 1})
	frame := bytes.Repeat([]byte{90}, nullSide*nullSide*3)
	return &video.Result{
		Clip: &media.Clip{Width: nullSide, Height: nullSide, FPS: nullFPS, Frames: [][]byte{frame}}, Seed: r.Seed, Steps: 1,
	}, nil
}
