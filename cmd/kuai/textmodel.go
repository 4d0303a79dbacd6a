package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kuai/models"
	"kuai/par"
	"kuai/registry"
	"kuai/serve/chat"
	"kuai/text"
	"kuai/text/sample"
	"kuai/text/schema"
)

// builtinText is the name of the language model that is built in.
const builtinText = "companion"

// textOptions are the flags that commands of language models share.
type textOptions struct {
	model       string
	weights, kv string
	context     int
	threads     int
	cache       string

	maxTokens  int
	params     sample.Params
	seeded     bool
	tempered   bool // a temperature was asked for
	stop       []string
	schemaFile string
	system     string
}

// flags defines them. The defaults of sampling are llama.cpp's.
func (o *textOptions) flags(f *pflag.FlagSet) {
	f.StringVarP(&o.model, "model", "m", cmp.Or(os.Getenv("KUAI_MODEL"), builtinText), "a GGUF file, a Hugging Face directory, or a name that kuai models lists (environment: KUAI_MODEL)")
	f.StringVar(&o.weights, "weights", "", "repack the weights: f32, bf16, q8 or q4 (default: as stored)")
	f.StringVar(&o.kv, "kv", "", "the attention cache: f16, f32 or q8 (default f16)")
	f.IntVar(&o.context, "context", 0, "most tokens of prompt and answer together (default: the model's)")
	f.IntVar(&o.threads, "threads", 0, "threads to compute with (default: all)")
	f.StringVar(&o.cache, "cache", "", "keep packed weights for a faster start: a directory, or \"auto\" for beside the model (default: do not)")
	f.IntVar(&o.maxTokens, "max-tokens", 0, "most tokens of an answer (default: until the model ends it, or the context is full)")
	f.Float64Var(&o.params.Temperature, "temperature", 0.8, "0 takes the likeliest token always; higher is more varied")
	f.IntVar(&o.params.TopK, "top-k", 40, "draw from the k likeliest tokens; 0: all")
	f.Float64Var(&o.params.TopP, "top-p", 0.95, "draw from the fewest tokens that have this probability together; 1: all")
	f.Float64Var(&o.params.MinP, "min-p", 0.05, "leave out tokens with less than this share of the likeliest one's probability")
	f.Float64Var(&o.params.RepetitionPenalty, "repetition-penalty", 1, "make the last 64 tokens less likely by this factor; 1: no")
	f.Float64Var(&o.params.FrequencyPenalty, "frequency-penalty", 0, "make tokens less likely each time the answer has them")
	f.Float64Var(&o.params.PresencePenalty, "presence-penalty", 0, "make tokens less likely once the answer has them")
	f.Uint64Var(&o.params.Seed, "seed", 0, "repeat an answer (default: a new one each time)")
	f.StringArrayVar(&o.stop, "stop", nil, "end the answer before this text (may be given several times)")
	f.StringVar(&o.schemaFile, "schema", "", `file with a JSON schema that the answer will follow, or "json" for any JSON object`)
	f.StringVar(&o.system, "system", "", "what the model is told first")
}

// complete fills in what the flags leave open and checks them.
func (o *textOptions) complete(cmd *cobra.Command) error {
	o.seeded, o.tempered = cmd.Flags().Changed("seed"), cmd.Flags().Changed("temperature")
	if !o.seeded {
		o.params.Seed = rand.Uint64() >> 11 // exact in JSON
	}
	o.params.RepeatLast = 64
	switch {
	case o.model == "":
		return usage(errors.New("no model is named; give one with --model"))
	case o.maxTokens < 0 || o.context < 0 || o.threads < 0:
		return usage(errors.New("--max-tokens, --context and --threads cannot be negative"))
	}
	return usage(o.params.Check(1 << 30))
}

// request is what the flags say about an answer.
func (o *textOptions) request() (chat.Request, error) {
	r := chat.Request{Sampling: o.params, MaxTokens: o.maxTokens, Stop: o.stop}
	switch o.schemaFile {
	case "":
		return r, nil
	case "json":
		r.Schema = schema.Object()
		return r, nil
	}
	f, err := os.Open(o.schemaFile)
	if err != nil {
		return r, err
	}
	defer f.Close() //nolint:errcheck // was only read
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return r, err
	}
	if r.Schema, err = schema.Compile(data); err != nil {
		return r, usage(fmt.Errorf("%s: %w", o.schemaFile, err))
	}
	return r, nil
}

// openText loads the model that the flags name.
func (a *app) openText(ctx context.Context, o *textOptions) (*chat.Loaded, error) {
	path, err := a.findText(o.model)
	if err != nil {
		return nil, err
	}
	if a.terminal() {
		a.note("loading %s ...", path)
		defer a.note("\r\033[K")
	}
	return chat.Open(ctx, path, text.Options{
		Pool: par.New(o.threads), Weights: o.weights, KV: o.kv, Context: o.context, Cache: o.cache,
	}, chat.Options{Running: 1})
}

// findText returns the path of a model: of a file, a directory, or what was
// pulled.
func (a *app) findText(name string) (string, error) {
	if name == builtinText {
		return models.Unpack(models.Companion(), name, filepath.Join(a.data, "builtin"))
	}
	return registry.Registry{Dir: filepath.Join(a.data, "models")}.Find(name)
}

// reportUsage is the account of an answer as JSON.
type reportUsage struct {
	Prompt     int     `json:"prompt_tokens"`
	Reused     int     `json:"reused_tokens"`
	Completion int     `json:"completion_tokens"`
	FirstToken float64 `json:"first_token_seconds"`
	Total      float64 `json:"seconds"`
	PromptRate float64 `json:"prompt_tokens_per_second"`
	Rate       float64 `json:"tokens_per_second"`
}

func usageOf(u chat.Usage) reportUsage {
	return reportUsage{
		Prompt: u.Prompt, Reused: u.Reused, Completion: u.Completion,
		FirstToken: u.FirstToken.Seconds(), Total: u.Total.Seconds(), PromptRate: u.PromptRate(), Rate: u.Rate(),
	}
}

func (u reportUsage) String() string {
	return fmt.Sprintf("prompt %d tokens (%d reused), %.0f/s; answer %d tokens, %.1f/s; first after %.2f s",
		u.Prompt, u.Reused, u.PromptRate, u.Completion, u.Rate, u.FirstToken)
}

// reportProb is a token with its probabilities as JSON.
type reportProb struct {
	Token   string        `json:"token"`
	LogProb float32       `json:"logprob"`
	Top     []reportOther `json:"top,omitempty"`
}

type reportOther struct {
	Token   string  `json:"token"`
	LogProb float32 `json:"logprob"`
}

func probsOf(l *chat.Loaded, tokens []chat.Token) (out []reportProb) {
	for _, t := range tokens {
		p := reportProb{Token: string(t.Bytes), LogProb: t.LogProb}
		for _, o := range t.Top {
			p.Top = append(p.Top, reportOther{string(l.Vocab.Bytes(o.Token)), o.LogProb})
		}
		out = append(out, p)
	}
	return out
}
