package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"kuai/api/clip"
	"kuai/platform/job"
	"kuai/platform/provider"
	"kuai/platform/render"
)

// comfyKey names the environment variable with the key of ComfyUI's servers.
const comfyKey = "KUAI_COMFY_KEY"

// errComfy says what --comfy takes.
var errComfy = errors.New("want the addresses of ComfyUI servers, a model's name and the file of its workflow, such as http://gpu1:8188,http://gpu2:8188#wan=wan.json")

// farms are the models of video that ComfyUI servers have.
type farms struct {
	runs  map[string]job.Run
	forms []render.Form
	slots int // prompts at once: one a server
	pools []*provider.Pool
}

// openFarms reads the workflows of --comfy. A model without addresses is known
// here and made by workers elsewhere.
func openFarms(specs []string) (*farms, error) {
	f := &farms{runs: map[string]job.Run{}}
	for _, spec := range together(specs) {
		c, n, err := openComfy(spec)
		if err != nil {
			return nil, usage(fmt.Errorf("--comfy: %w", err))
		}
		form := c.Form()
		if f.has(form.Name) || form.Name == clip.Model {
			return nil, usage(errors.New("--comfy: two models are called " + form.Name))
		}
		f.forms = append(f.forms, form)
		if n == 0 {
			continue
		}
		f.runs[form.Kind()] = c.Run
		f.pools, f.slots = append(f.pools, c.Pool()), f.slots+n
	}
	return f, nil
}

func (f *farms) has(name string) bool {
	return slices.ContainsFunc(f.forms, func(o render.Form) bool { return o.Name == name })
}

// openComfy returns a model of so many servers.
func openComfy(spec string) (c *provider.Comfy, servers int, err error) {
	addresses, model, _ := strings.Cut(spec, "#")
	name, path, ok := strings.Cut(model, "=")
	if !ok || name == "" || path == "" {
		return nil, 0, errComfy
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close() //nolint:errcheck // was only read
	workflow, err := io.ReadAll(io.LimitReader(file, provider.MaxWorkflow+1))
	if err != nil {
		return nil, 0, err
	}
	var all []string
	if addresses != "" {
		all = strings.Split(addresses, ",")
	}
	if c, err = provider.NewComfy(name, all, workflow, os.Getenv(comfyKey)); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return c, len(all), nil
}

// look looks after the servers' health until done is called.
func (f *farms) look(ctx context.Context) (done func()) {
	ctx, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	for _, p := range f.pools {
		work.Go(func() { p.Run(ctx) })
	}
	return func() { stop(); work.Wait() }
}
