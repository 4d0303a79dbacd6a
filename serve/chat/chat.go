// Package chat is the engine room of language models: it runs many requests on
// one model at once.
//
// A single loop makes all passes over the model. Each takes the next token of
// every answer that is being written, and pieces of the prompts of those that
// are still being read, so many tokens of them that a pass takes a bounded
// time (plan). New requests join between two passes, finished and abandoned
// ones leave. What leaves may keep its session, so that the conversation's next
// turn computes only what is new.
//
//	Submit -> waiting -> (admit) running -> step, ... -> finish -> Stream
//
// The loop alone touches sessions and samplers; callers see their Stream.
package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kuai/par"
	"kuai/text/sample"
	"kuai/text/schema"
)

// Limits of a request.
const (
	maxStops      = 16
	maxStopBytes  = 1 << 10 // of one stop string
	maxStopTokens = 256
)

// Errors that callers branch on.
var (
	ErrFull   = errors.New("chat: too many requests are waiting; try again later")
	ErrClosed = errors.New("chat: shutting down")
	ErrSlow   = errors.New("chat: the answer was not read fast enough")
	ErrMemory = errors.New("chat: the request needs more memory than there is for sessions")
	ErrEmpty  = errors.New("chat: the prompt is empty")
	// ErrInternal is a bug of ours; the log has more.
	ErrInternal = errors.New("chat: internal error, see the log")
)

// TooLongError is a prompt that leaves no room in the model's context.
type TooLongError struct{ Tokens, Context int }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("chat: the prompt has %d tokens, and the model's context %d", e.Tokens, e.Context)
}

// Session is the state of one text on a model; *text.Session is one.
type Session interface {
	Tokens() []int32
	Len() int
	Behind() int // tokens that a step would compute again
	Rewind(n int) error
	Bytes() (state, kv int64)
	Close()
}

// Slice is a session's share of a step.
type Slice struct {
	Session Session
	Tokens  []int32
	Logits  []float32 // [V] of the last token; nil: not wanted
}

// Info is what the engine must know of a model.
type Info struct {
	Vocab, Context      int
	StateBytes, KVBytes int64 // of a session, and of each of its tokens
}

// Model is what the engine runs; Text makes one of a *text.Model.
type Model interface {
	Info() Info
	// Begin returns a session that has the first tokens already, as far as the
	// model remembers them, but never the last one.
	Begin(tokens []int32) Session
	// Step adds the tokens of each slice and writes the logits.
	Step(ctx context.Context, batch []Slice) error
}

// Tokenizer is what the engine needs of one; *token.Tokenizer is one.
type Tokenizer interface {
	Bytes(id int32) []byte // what the token adds to an answer
	IsEnd(id int32) bool
}

// Options are the engine's settings; zeros mean the defaults.
type Options struct {
	Running     int           // requests at once; 64
	Waiting     int           // requests that wait; 256
	Chunk       int           // most tokens of prompts in a step; 512
	StepTime    time.Duration // that prompts may add to a step while answers are written; 200 ms
	Backlog     int           // tokens that a reader may be behind; 8192
	KeepBytes   int64         // of sessions kept between turns; 1 GiB
	MemoryBytes int64         // of sessions that run or are kept; half of what is free; negative: no limit
	SpillDir    string        // where sessions go for which there is no memory; "": they are dropped
	SpillBytes  int64         // of them; 8 GiB
	Pool        *par.Pool     // draws tokens of several answers at once; Open takes the model's
	// Control gives the texts of control tokens to those requests that ask for
	// them; nil: they have none.
	Control func(id int32) string
}

func (o Options) withDefaults() Options {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&o.Running, 64)
	def(&o.Waiting, 256)
	def(&o.Chunk, 512)
	def(&o.Backlog, 8192)
	if o.StepTime <= 0 {
		o.StepTime = 200 * time.Millisecond
	}
	if o.KeepBytes == 0 {
		o.KeepBytes = 1 << 30
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = defaultMemory()
	}
	if o.SpillBytes <= 0 {
		o.SpillBytes = 8 << 30
	}
	return o
}

// Request is one answer that is wanted.
type Request struct {
	Prompt []int32
	// Conversation names what the session is kept for after the answer; "" is
	// nothing.
	Conversation string
	Sampling     sample.Params
	MaxTokens    int            // 0: as many as context and memory hold
	Stop         []string       // texts that end the answer and are not in it
	StopTokens   []int32        // tokens that do
	Schema       *schema.Schema // what the answer must be; nil: anything
	Control      bool           // show the texts of control tokens
	IgnoreEnd    bool           // go on past the model's end: for measurements
}

// Reason says why an answer ended.
type Reason string

// The reasons.
const (
	Stopped   Reason = "stop"      // by itself, or at a stop string or token
	Length    Reason = "length"    // at MaxTokens, or context or memory is full
	Cancelled Reason = "cancelled" // nobody wanted it any more
	Failed    Reason = "error"
)

// Token is a token of an answer with its log probabilities, where asked for.
type Token struct {
	ID      int32
	Bytes   []byte
	LogProb float32
	Top     []sample.TokenProb
}

// Event is the next piece of an answer. The last one has the result.
type Event struct {
	Text   string  // whole characters
	Tokens []Token // those that were written, if log probabilities were asked for
	Result *Result
}

// Result is how an answer ended.
type Result struct {
	Reason Reason
	Stop   string // the stop string that was met
	Err    error  // of Failed and Cancelled
	Usage  Usage
}

// Usage is the account of a request.
type Usage struct {
	Prompt     int // tokens
	Reused     int // of them, that were not computed again
	Completion int // tokens, those that ended the answer included

	Queued     time.Duration // until its first step
	FirstToken time.Duration // from Submit
	Total      time.Duration // from Submit
}

// PromptRate is the speed of reading, in computed tokens a second.
func (u Usage) PromptRate() float64 {
	return rate(u.Prompt-u.Reused, u.FirstToken-u.Queued)
}

// Rate is the speed of writing after the first token, in tokens a second.
func (u Usage) Rate() float64 {
	return rate(u.Completion-1, u.Total-u.FirstToken)
}

func rate(n int, d time.Duration) float64 {
	if n <= 0 || d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Stats is what the engine does at the moment, and has done.
type Stats struct {
	Running, Waiting, Kept int   // requests, sessions
	KeptBytes              int64 // of kept sessions
	Requests, Steps        int64
	PromptTokens           int64 // computed
	ReusedTokens           int64
	CompletionTokens       int64

	// Of steps that did nothing else, save the first: it fetches the weights.
	read, written          int64 // tokens
	readingTime, writeTime time.Duration
}

// ReadRate is how many tokens of prompts are read a second; 0: none was yet.
func (s Stats) ReadRate() float64 { return rate(int(s.read), s.readingTime) }

// WriteRate is how many tokens of answers are written a second, all together.
func (s Stats) WriteRate() float64 { return rate(int(s.written), s.writeTime) }

// saw notes a step.
func (s *Stats) saw(read, written int, took time.Duration) {
	s.Steps++
	s.PromptTokens += int64(read)
	switch {
	case s.Steps == 1:
	case read == 0:
		s.written, s.writeTime = s.written+int64(written), s.writeTime+took
	case written == 0:
		s.read, s.readingTime = s.read+int64(read), s.readingTime+took
	}
}
