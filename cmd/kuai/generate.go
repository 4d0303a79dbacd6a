package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"kuai/serve/chat"
	"kuai/text/prompt"
)

// maxPrompt bounds a prompt that is read from standard input.
const maxPrompt = 64 << 20 // bytes

type generateOptions struct {
	textOptions
	stream bool
	chat   bool
}

func (a *app) generateCommand() *cobra.Command {
	var o generateOptions
	cmd := &cobra.Command{
		Use:   "generate PROMPT",
		Short: "Let a language model go on from a text",
		Long: `Let a language model go on from a text, or answer it (--chat). Without a prompt,
or with -, the prompt is read from standard input. The text appears as it is
written; --json prints one object at the end, --json --stream one a piece.`,
		Example: `  kuai generate -m model.gguf "Once upon a time"
  kuai generate -m model.gguf --chat --schema person.json "Invent a person."`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(fmt.Errorf("%d arguments, want one prompt, in quotes", len(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(cmd); err != nil {
				return err
			}
			if !cmd.Flags().Changed("stream") {
				o.stream = !a.json
			}
			o.chat = o.chat || o.system != ""
			return a.generate(cmd.Context(), args, o)
		},
	}
	f := cmd.Flags()
	o.flags(f)
	f.BoolVar(&o.stream, "stream", false, "show the text as it is written (default: yes, but not with --json)")
	f.BoolVar(&o.chat, "chat", false, "the prompt is a message: use the model's chat template")
	f.IntVar(&o.params.LogProbs, "logprobs", 0, "with --json: report this many alternatives for each token, up to 20")
	return cmd
}

// generateReport is what --json prints.
type generateReport struct {
	Model     string       `json:"model"`
	Text      string       `json:"text"`
	Reasoning string       `json:"reasoning,omitempty"`
	Finish    chat.Reason  `json:"finish_reason"`
	Stop      string       `json:"stop,omitempty"`
	Seed      uint64       `json:"seed"`
	Usage     reportUsage  `json:"usage"`
	LogProbs  []reportProb `json:"logprobs,omitempty"`
}

// generatePiece is what --json --stream prints before that.
type generatePiece struct {
	Text      string       `json:"text"`
	Reasoning string       `json:"reasoning,omitempty"`
	LogProbs  []reportProb `json:"logprobs,omitempty"`
}

// promptOf is the prompt of the command line or of standard input.
func (a *app) promptOf(args []string) (string, error) {
	var text string
	if len(args) == 1 && args[0] != "-" {
		text = args[0]
	} else {
		data, err := io.ReadAll(io.LimitReader(a.In, maxPrompt+1))
		if err != nil {
			return "", err
		}
		if len(data) > maxPrompt {
			return "", usage(fmt.Errorf("the prompt has more than %d bytes", maxPrompt))
		}
		text = strings.TrimSuffix(string(data), "\n")
	}
	if strings.TrimSpace(text) == "" {
		return "", usage(errors.New("the prompt is empty"))
	}
	return text, nil
}

func (a *app) generate(ctx context.Context, args []string, o generateOptions) error {
	said, err := a.promptOf(args)
	if err != nil {
		return err
	}
	r, err := o.request()
	if err != nil {
		return err
	}
	l, err := a.openText(ctx, &o.textOptions)
	if err != nil {
		return err
	}
	rep := generateReport{Model: o.model, Seed: o.params.Seed}
	err = a.write(ctx, l, said, r, o, &rep)
	return errors.Join(err, l.Close())
}

// write asks for the text and shows it.
func (a *app) write(ctx context.Context, l *chat.Loaded, said string, r chat.Request, o generateOptions, rep *generateReport) error {
	var res *chat.Result
	var err error
	out := json.NewEncoder(a.Out)
	out.SetEscapeHTML(false)
	failed := error(nil)
	show := func(piece generatePiece) {
		rep.Text += piece.Text
		rep.Reasoning += piece.Reasoning
		rep.LogProbs = append(rep.LogProbs, piece.LogProbs...)
		switch {
		case failed != nil || !o.stream:
		case a.json:
			failed = out.Encode(piece)
		default:
			_, failed = io.WriteString(a.Out, piece.Text)
		}
	}
	if o.chat {
		res, err = a.answerTo(ctx, l, said, r, o, show)
	} else {
		res, err = a.goOn(ctx, l, said, r, show)
	}
	if res == nil {
		return errors.Join(err, failed)
	}
	rep.Finish, rep.Stop, rep.Usage = res.Reason, res.Stop, usageOf(res.Usage)
	switch {
	case failed != nil:
	case a.json:
		if o.stream {
			rep.Text, rep.Reasoning, rep.LogProbs = "", "", nil // they were printed
		}
		failed = out.Encode(rep)
	case !o.stream:
		_, failed = fmt.Fprintln(a.Out, rep.Text)
	default:
		_, failed = fmt.Fprintln(a.Out)
	}
	if a.terminal() && !a.json {
		a.note("%v\n", rep.Usage)
	}
	return errors.Join(err, failed)
}

// goOn goes on from a text.
func (a *app) goOn(ctx context.Context, l *chat.Loaded, said string, r chat.Request, show func(generatePiece)) (*chat.Result, error) {
	r.Prompt = chat.RawTokens(l.Vocab, said)
	s, err := l.Talker.Engine.Submit(ctx, r)
	if err != nil {
		return nil, err
	}
	for {
		ev, err := s.Next(context.WithoutCancel(ctx)) // the engine ends it when ctx does
		if err != nil {
			return nil, err
		}
		if ev.Text != "" || ev.Tokens != nil {
			show(generatePiece{Text: ev.Text, LogProbs: probsOf(l, ev.Tokens)})
		}
		if ev.Result != nil {
			return ev.Result, ev.Result.Err
		}
	}
}

// answerTo answers a message.
func (a *app) answerTo(ctx context.Context, l *chat.Loaded, said string, r chat.Request, o generateOptions, show func(generatePiece)) (*chat.Result, error) {
	in := prompt.Input{Messages: []prompt.Message{{Role: "user", Content: said}}}
	if o.system != "" {
		in.Messages = append([]prompt.Message{{Role: "system", Content: o.system}}, in.Messages...)
	}
	ans, err := l.Talker.Ask(ctx, in, r)
	if err != nil {
		return nil, err
	}
	_, res, err := ans.ReadAll(context.WithoutCancel(ctx), func(p prompt.Part) {
		piece := generatePiece{LogProbs: probsOf(l, ans.Tokens())}
		if p.Kind == prompt.KindReasoning {
			piece.Reasoning = p.Text
		} else {
			piece.Text = p.Text
		}
		show(piece)
	})
	return res, err
}
