package main

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"kuai/character/converse"
	"kuai/par"
	"kuai/serve/chat"
	"kuai/serve/upstream"
	"kuai/text"
	"kuai/text/sample"
)

// upstreamKey names the environment variable with the key of another server.
const upstreamKey = "KUAI_UPSTREAM_KEY"

// openSpeaker opens what characters speak with: a companion model, any other
// language model through its chat template, or one of another server.
func (a *app) openSpeaker(ctx context.Context, o *textOptions) (converse.Speaker, func() error, error) {
	if upstream.Is(o.model) {
		c, err := upstream.New(o.model, cmp.Or(os.Getenv(upstreamKey), os.Getenv("OPENAI_API_KEY")))
		if err != nil {
			return nil, nil, usage(fmt.Errorf("--model: %w", err))
		}
		return converse.NewUpstream(c), func() error { return nil }, nil
	}
	path, err := a.findText(o.model)
	if err != nil {
		return nil, nil, err
	}
	pool := par.New(o.threads)
	mo := text.Options{Pool: pool, Weights: o.weights, KV: o.kv, Context: o.context, Cache: o.cache}
	m, err := text.Open(path, mo)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	s, err := converse.NewCompanion(m)
	if err == nil {
		return s, func() error { defer pool.Close(); return m.Close() }, nil
	}
	err = m.Close()
	pool.Close()
	if err != nil {
		return nil, nil, err
	}
	mo.Pool = par.New(o.threads)
	l, err := chat.Open(context.WithoutCancel(ctx), path, mo, chat.Options{})
	if err != nil {
		mo.Pool.Close()
		return nil, nil, err
	}
	return converse.NewServed(l.Talker), func() error { defer mo.Pool.Close(); return l.Close() }, nil
}

// sampling is how a speaker draws, as far as the flags do not say otherwise.
func (o *textOptions) sampling(s converse.Speaker) (p sample.Params) {
	if p = s.Sampling(); o.tempered {
		p = o.params
	}
	p.Seed = o.params.Seed
	return p
}
