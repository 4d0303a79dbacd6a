package provider

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kuai/fault"
	"kuai/platform/job"
	"kuai/platform/render"
	"kuai/video"
)

const (
	// MaxWorkflow is the bytes of a workflow at most.
	MaxWorkflow  = 1 << 20
	maxComfyJSON = 8 << 20
	maxComfyFile = 512 << 20
	maxFiles     = 16
	maxDepth     = 64 // of a workflow
	comfyPoll    = time.Second
	comfyTime    = 30 * time.Second // of one small question
	lastWords    = 5 * time.Second  // to stop a prompt
	maxLost      = 30               // polls in vain before a prompt is given up
)

// Comfy makes clips on ComfyUI servers with a workflow in its API format (menu
// Workflow, Export (API)). In the workflow's strings ${prompt} stands for the
// prompt; a string that is ${seed}, ${steps}, ${guidance}, ${frames}, ${fps},
// ${width}, ${height} or ${size}, the smaller side, alone becomes that number. A
// string that is ${image} alone, as a node LoadImage has, becomes the name of the
// picture that the clip begins with, uploaded before. Beside its nodes a workflow has the entry "kuai", a render.Form: what its clips are like.
type Comfy struct {
	pool     *Pool
	form     render.Form
	workflow map[string]any
	http     *http.Client
	poll     time.Duration
}

// NewComfy returns the provider of a model, for the servers of some addresses.
func NewComfy(name string, addresses []string, workflow []byte, key string) (*Comfy, error) {
	if len(workflow) > MaxWorkflow {
		return nil, fmt.Errorf("provider: a workflow has at most %d bytes", MaxWorkflow)
	}
	d := json.NewDecoder(bytes.NewReader(workflow))
	d.UseNumber() // seeds are whole numbers of 64 bits
	var w map[string]any
	if err := d.Decode(&w); err != nil {
		return nil, fmt.Errorf("provider: the workflow: %w", err)
	}
	form, err := formOf(name, workflow)
	if err != nil {
		return nil, err
	}
	if delete(w, formEntry); len(w) == 0 || w["nodes"] != nil {
		return nil, errors.New("provider: the workflow is not in the API format: export it again with Export (API)")
	}
	has := func(placeholder string) bool { return bytes.Contains(workflow, []byte(`"`+placeholder+`"`)) }
	form.Picture = has(imageName)
	for _, option := range []string{"seed", "steps", "guidance", "frames"} {
		if has("${" + option + "}") {
			form.Takes = append(form.Takes, option)
		}
	}
	c := &Comfy{form: form, workflow: w, poll: comfyPoll}
	if len(addresses) == 0 {
		return c, nil
	}
	if c.pool, err = NewPool(addresses, Options{Health: "/system_stats", Key: key}); err != nil {
		return nil, err
	}
	c.http = &http.Client{Transport: c.pool.o.Base}
	return c, nil
}

// formEntry is where a workflow says what its clips are like.
const formEntry = "kuai"

func formOf(name string, workflow []byte) (render.Form, error) {
	var w struct {
		Form *render.Form `json:"kuai"`
	}
	if err := json.Unmarshal(workflow, &w); err != nil {
		return render.Form{}, fmt.Errorf("provider: the workflow's entry %q: %w", formEntry, err)
	}
	if w.Form == nil {
		return render.Form{}, fmt.Errorf(`provider: the workflow does not say what its clips are like: add "%s": {"width": 832, "height": 480, "fps": 16, "frames": 81, "stride": 4} beside its nodes`, formEntry)
	}
	w.Form.Name = name
	return *w.Form, w.Form.Check()
}

// Pool is the servers, to check their health.
func (c *Comfy) Pool() *Pool { return c.pool }

// Form is what the model's clips are like.
func (c *Comfy) Form() render.Form { return c.form }

// fill puts values into a workflow.
func fill(v any, text map[string]string, whole map[string]any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("provider: the workflow is nested too deeply")
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			var err error
			if out[k], err = fill(e, text, whole, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			var err error
			if out[i], err = fill(e, text, whole, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case string:
		if w, ok := whole[v]; ok {
			return w, nil
		}
		for k, t := range text {
			v = strings.ReplaceAll(v, k, t)
		}
		return v, nil
	}
	return v, nil
}

// prompt is the workflow of a request, and of the picture of this name.
func (c *Comfy) prompt(r video.Request, picture string) (any, error) {
	integer := func(n int) json.Number { return json.Number(strconv.Itoa(n)) }
	return fill(c.workflow, map[string]string{"${prompt}": r.Prompt}, map[string]any{
		imageName: picture,
		"${seed}": json.Number(strconv.FormatUint(r.Seed, 10)), "${steps}": integer(cmp.Or(r.Steps, video.DefaultSteps)),
		"${frames}": integer(cmp.Or(r.Frames, c.form.Frames)), "${fps}": integer(c.form.FPS),
		"${width}": integer(c.form.Width), "${height}": integer(c.form.Height), "${size}": integer(min(c.form.Width, c.form.Height)),
		"${guidance}": json.Number(strconv.FormatFloat(float64(cmp.Or(r.Guidance, video.DefaultGuidance)), 'g', -1, 32)),
	}, 0)
}

// Run is the run of jobs whose body is a render.Order. A server that cannot be reached
// is passed over for the next one; one that fails at work is given a penalty, so
// that the next attempt goes to another.
func (c *Comfy) Run(ctx context.Context, j job.Job, r job.Report) (job.Made, error) {
	var o render.Order
	if err := json.Unmarshal(j.Body, &o); err != nil {
		return job.Made{}, fault.Wrap(err, fault.Invalid, "the job is not an order of a clip")
	}
	if c.form.Picture != (len(o.Picture) > 0) {
		return job.Made{}, fault.New(fault.Invalid, "the job has a picture and the workflow takes none, or the other way round")
	}
	begin := time.Now()
	made, err := c.anywhere(ctx, o, r)
	if err != nil {
		return job.Made{}, err
	}
	info := render.Info{
		Width: c.form.Width, Height: c.form.Height, FPS: c.form.FPS, Frames: cmp.Or(o.Request.Frames, c.form.Frames),
		Seed: o.Request.Seed, Steps: cmp.Or(o.Request.Steps, video.DefaultSteps), Seconds: time.Since(begin).Seconds(),
	}
	if made.Data, err = json.Marshal(info); err != nil {
		return job.Made{}, fmt.Errorf("provider: %w", err)
	}
	made.Usage = map[string]int64{render.VideoMilliseconds: int64(info.Frames) * 1000 / int64(info.FPS)}
	return made, nil
}

// errQueue says that a server did not take a prompt.
var errQueue = errors.New("provider: ComfyUI did not take the prompt")

// unqueued is the error of a server that did not take a prompt; one that refuses it
// is right, and so would be the next.
func unqueued(err error) error {
	if fault.From(err).Code == fault.Invalid {
		return err
	}
	return fmt.Errorf("%w: %w", errQueue, err)
}

// anywhere makes a clip on the first server that takes it.
func (c *Comfy) anywhere(ctx context.Context, o render.Order, r job.Report) (made job.Made, err error) {
	var tried []*Server
	for {
		s := c.pool.take(tried)
		if s == nil {
			return made, fmt.Errorf("%w: %w", ErrNone, err)
		}
		tried = append(tried, s)
		made, err = c.at(ctx, s, o, r)
		c.pool.give(s)
		if ctx.Err() == nil {
			refused := fault.From(err).Code == fault.Invalid
			c.pool.judge(s, err == nil || refused)
		}
		if ctx.Err() != nil || !errors.Is(err, errQueue) {
			return made, err
		}
	}
}

// comfyFile is a file that a node made.
type comfyFile struct {
	Filename  string `json:"filename"`
	Subfolder string `json:"subfolder"`
	Type      string `json:"type"` // output, or temp for previews
}

// history is what a server remembers of a prompt.
type history struct {
	Outputs map[string]map[string]json.RawMessage `json:"outputs"`
	Status  struct {
		Status    string `json:"status_str"`
		Completed bool   `json:"completed"`
	} `json:"status"`
}

// at makes a clip on one server.
func (c *Comfy) at(ctx context.Context, s *Server, o render.Order, r job.Report) (made job.Made, err error) {
	prompt, err := c.prepare(ctx, s, o)
	if err != nil {
		return made, err
	}
	var queued struct {
		ID string `json:"prompt_id"`
	}
	client := "kuai-" + rand.Text()
	watch := c.watch(ctx, s, client)
	defer watch.close()
	if err := c.ask(ctx, s, http.MethodPost, "/prompt", map[string]any{"prompt": prompt, "client_id": client}, &queued); err != nil {
		return made, unqueued(err)
	}
	if queued.ID == "" {
		return made, errors.New("provider: ComfyUI queued nothing")
	}
	r.Progress(job.Progress{Stage: "queued"})
	h, err := c.wait(ctx, s, queued.ID, watch, r)
	if err != nil {
		return made, errors.Join(err, c.stop(ctx, s, queued.ID))
	}
	for i, f := range filesOf(h) {
		name := strconv.Itoa(i) + path.Ext(path.Base(f.Filename))
		to := filepath.Join(r.Dir(), name)
		kind, err := c.fetch(ctx, s, f, to)
		if err != nil {
			return made, err
		}
		made.Files = append(made.Files, job.File{Name: "clip" + name, Type: kind, Path: to})
	}
	if len(made.Files) == 0 {
		return made, errors.New("provider: ComfyUI's workflow saved no file")
	}
	return made, nil
}

// wait asks until a prompt has ended; what the server tells by itself shows how far
// it is, and when to ask.
func (c *Comfy) wait(ctx context.Context, s *Server, id string, watch *comfyWatch, r job.Report) (h history, err error) {
	t := time.NewTicker(c.poll)
	defer t.Stop()
	for lost := 0; ; {
		var all map[string]history
		switch err := c.ask(ctx, s, http.MethodGet, "/history/"+url.PathEscape(id), nil, &all); {
		case err != nil && ctx.Err() != nil:
			return h, context.Cause(ctx)
		case err != nil:
			if lost++; lost > maxLost {
				return h, err
			}
		default:
			lost = 0
		}
		if h, ok := all[id]; ok {
			if h.Status.Status == "error" {
				return h, errors.New("provider: ComfyUI could not run the workflow; its log says why")
			}
			if h.Status.Completed || h.Status.Status == "" && len(h.Outputs) > 0 {
				return h, nil
			}
		}
		if err := watch.follow(ctx, id, t.C, r); err != nil {
			return h, err
		}
	}
}

// stop takes a prompt out of the server's queue, or interrupts it if it runs: an
// older server interrupts whatever runs, also for others.
func (c *Comfy) stop(ctx context.Context, s *Server, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	err := c.ask(ctx, s, http.MethodPost, "/queue", map[string]any{"delete": []string{id}}, nil)
	var queue struct {
		Running [][]any `json:"queue_running"` // number, id, prompt, ...
	}
	if e := c.ask(ctx, s, http.MethodGet, "/queue", nil, &queue); e != nil {
		return errors.Join(err, e)
	}
	for _, q := range queue.Running {
		if len(q) > 1 && q[1] == id {
			return errors.Join(err, c.ask(ctx, s, http.MethodPost, "/interrupt", map[string]any{"prompt_id": id}, nil))
		}
	}
	return err
}

// filesOf lists what was saved, in the order of the nodes, at most sixteen.
func filesOf(h history) (out []comfyFile) {
	nodes := make([]string, 0, len(h.Outputs))
	for n := range h.Outputs {
		nodes = append(nodes, n)
	}
	slices.Sort(nodes)
	for _, n := range nodes {
		for _, kind := range []string{"videos", "gifs", "images"} { // as the nodes of its extensions call them
			var files []comfyFile
			if json.Unmarshal(h.Outputs[n][kind], &files) != nil {
				continue
			}
			for _, f := range files {
				if f.Filename != "" && f.Type != "temp" && len(out) < maxFiles {
					out = append(out, f)
				}
			}
		}
	}
	return out
}

// do sends a request to one server; a refusal of the workflow is fault.Invalid.
func (c *Comfy) do(r *http.Request) (*http.Response, error) {
	if c.pool.o.Key != "" {
		r.Header.Set("Authorization", "Bearer "+c.pool.o.Key)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("provider: ComfyUI: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	drain(res.Body)
	if res.StatusCode == http.StatusBadRequest {
		return nil, fault.New(fault.Invalid, "the workflow does not take this request")
	}
	return nil, fmt.Errorf("provider: ComfyUI answered %d", res.StatusCode)
}

// ask sends JSON and reads JSON.
func (c *Comfy) ask(ctx context.Context, s *Server, method, p string, in, out any) (err error) {
	ctx, cancel := context.WithTimeout(ctx, comfyTime)
	defer cancel()
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("provider: %w", err)
		}
	}
	return c.send(ctx, s, method, p, "application/json", body, out)
}

// send sends a body of some type and reads a JSON answer into out, if not nil.
func (c *Comfy) send(ctx context.Context, s *Server, method, p, kind string, body []byte, out any) (err error) {
	r, err := http.NewRequestWithContext(ctx, method, s.Base.String()+p, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	r.Header.Set("Content-Type", kind)
	res, err := c.do(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxComfyJSON))
	if err == nil && out != nil {
		err = json.Unmarshal(data, out)
	}
	if err != nil {
		return fmt.Errorf("provider: ComfyUI's answer: %w", err)
	}
	return nil
}

// types of files by their endings; a server's own word is not taken for it.
var types = map[string]string{
	".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime", ".gif": "image/gif", ".webp": "image/webp", ".png": "image/png", ".jpg": "image/jpeg",
}

// fetch saves a file and returns its type.
func (c *Comfy) fetch(ctx context.Context, s *Server, f comfyFile, to string) (kind string, err error) {
	q := url.Values{"filename": {f.Filename}, "subfolder": {f.Subfolder}, "type": {f.Type}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Base.String()+"/view?"+q.Encode(), http.NoBody)
	if err != nil {
		return "", fmt.Errorf("provider: %w", err)
	}
	res, err := c.do(r)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	w, err := os.Create(filepath.Clean(to))
	if err != nil {
		return "", fmt.Errorf("provider: %w", err)
	}
	n, err := io.Copy(w, io.LimitReader(res.Body, maxComfyFile+1))
	if err = errors.Join(err, w.Close()); err != nil {
		return "", fmt.Errorf("provider: ComfyUI's file: %w", err)
	}
	if n > maxComfyFile {
		return "", fmt.Errorf("provider: ComfyUI's file has more than %d bytes", maxComfyFile)
	}
	return cmp.Or(types[strings.ToLower(path.Ext(f.Filename))], "application/octet-stream"), nil
}
