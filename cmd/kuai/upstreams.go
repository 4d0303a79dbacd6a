package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
	"sync"

	"kuai/api/talk"
	"kuai/platform/provider"
	"kuai/serve/upstream"
)

// errUpstream says what --upstream takes.
var errUpstream = errors.New("want the addresses of one model's servers and its name, such as http://gpu1:8000/v1,http://gpu2:8000/v1#qwen3-32b")

// errSlots says what --upstream-slots takes.
var errSlots = errors.New("--upstream-slots is at least 1")

// openUpstream opens the servers of one model, each of which is sent so many chats
// at once.
func openUpstream(address string, slots int) (*upstream.Client, *provider.Pool, error) {
	servers, model, _ := strings.Cut(address, "#")
	if model == "" {
		return nil, nil, errUpstream
	}
	if slots < 1 {
		return nil, nil, errSlots
	}
	addresses := strings.Split(servers, ",")
	p, err := provider.NewPool(addresses, provider.Options{
		Health: "/models", Key: cmp.Or(os.Getenv(upstreamKey), os.Getenv("OPENAI_API_KEY")),
	})
	if err != nil {
		return nil, nil, errors.Join(errUpstream, err)
	}
	c := upstream.Pooled(model, p)
	c.Slots = slots * len(addresses)
	return c, p, nil
}

// together joins what a list in the environment or in kuai.yaml has split: the
// servers of one model have commas between them, too, and its name ends them.
func together(parts []string) (all []string) {
	joined := ""
	for _, p := range parts {
		if joined += p; strings.Contains(p, "#") {
			all, joined = append(all, joined), ""
			continue
		}
		joined += ","
	}
	if joined != "" {
		all = append(all, strings.TrimSuffix(joined, ","))
	}
	return all
}

// openModels adds models of other servers to those of this process; the first
// of them is the default. Their health is looked after until done is called.
func openModels(ctx context.Context, here talk.Models, addresses []string, slots int) (all talk.Models, done func(), err error) {
	if len(addresses) == 0 {
		return here, func() {}, nil
	}
	both := &talk.Both{Here: here}
	var pools []*provider.Pool
	known := map[string]bool{}
	for _, name := range here.Names() {
		known[name] = true
	}
	for _, a := range together(addresses) {
		c, p, err := openUpstream(a, slots)
		if err == nil && known[c.Model] {
			err = errors.New("two models are called " + c.Model)
		}
		if err != nil {
			return nil, nil, usage(err)
		}
		known[c.Model] = true
		both.Clients, pools = append(both.Clients, c), append(pools, p)
	}
	ctx, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	for _, p := range pools {
		work.Go(func() { p.Run(ctx) })
	}
	return both, func() { stop(); work.Wait() }, nil
}
