package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kuai/api"
	"kuai/api/admit"
	"kuai/api/clip"
	"kuai/api/file"
	"kuai/api/health"
	"kuai/api/metric"
	"kuai/character/converse"
	"kuai/par"
	"kuai/platform"
	"kuai/platform/config"
	"kuai/platform/db"
	"kuai/serve/chat"
	"kuai/serve/fleet"
	"kuai/serve/upstream"
	"kuai/text"
	"kuai/video"
)

// serveOptions are the settings of kuai serve.
type serveOptions struct {
	addr, cert, key string
	needKey, idle   bool
	database, blobs *string
	nats            string
	people          login
	model           string // of video
	texts           []string
	upstreams       []string
	slots           int // of each server of upstreams
	comfy           []string
	talkers         string
	native          bool
	text            textOptions
	watch           watchOptions
}

func (o *serveOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address to listen on")
	o.database = databaseFlag(f)
	f.StringVar(&o.cert, "tls-cert", "", "certificate for https, a PEM file (default: one of Kuai's own, made at first use in the data directory)")
	f.StringVar(&o.key, "tls-key", "", "its private key, a PEM file")
	o.blobs = blobsFlag(f)
	f.StringVar(&o.nats, "nats", "", "messages between servers of one database: nats://HOST:PORT (default: within this process; environment: KUAI_NATS)")
	config.Also(f, "nats", "KUAI_NATS")
	f.BoolVar(&o.idle, "no-render", false, "make no clips here: kuai worker on other machines does")
	o.people.flags(f)
	f.BoolVar(&o.needKey, "require-key", false, "ask for a key on this machine too")
	f.StringVar(&o.model, "model", "", "directory of a video model (default: the built-in one)")
	f.StringArrayVar(&o.texts, "chat", []string{builtinText}, "language model to serve: a GGUF file, a Hugging Face directory, or a name that kuai models lists; may be given again")
	f.StringArrayVar(&o.upstreams, "upstream", nil, "servers that answer chats with one model, such as http://gpu1:8000/v1,http://gpu2:8000/v1#MODEL: any that speak OpenAI's API; may be given again (their key: "+upstreamKey+")")
	f.IntVar(&o.slots, "upstream-slots", 64, "chats at once that each server of --upstream is sent; the others wait here, and tenants take turns")
	f.StringArrayVar(&o.comfy, "comfy", nil, "ComfyUI servers that make clips with one model, its name and its workflow's file, such as http://gpu1:8188,http://gpu2:8188#wan=wan.json; may be given again, the first one is used where a request names no model (their key: "+comfyKey+")")
	f.StringVar(&o.talkers, "characters", builtinText, "the language model that characters speak with: as --chat, or https://host/v1#model of another server")
	f.BoolVar(&o.native, "room", false, "characters' model sees all that was said, in files of some hundred bytes a token, beside what is recalled; the built-in model can")
	f.StringVar(&o.text.weights, "weights", "", "repack the language models' weights: f32, bf16, q8 or q4 (default: as stored)")
	f.StringVar(&o.text.kv, "kv", "", "the attention cache: f16, f32 or q8 (default f16)")
	f.IntVar(&o.text.context, "context", 0, "most tokens of prompt and answer together (default: the model's)")
	f.IntVar(&o.text.threads, "threads", 0, "threads of the language models (default: all)")
	f.StringVar(&o.text.cache, "cache", "", "keep packed weights for a faster start: a directory, or \"auto\" for beside the model (default: do not)")
	o.watch.flags(f)
	config.Place(f, "serve")
}

func (a *app) serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the studio and the HTTP API",
		Long: `Serve a page to make clips on and, in the dialects of OpenAI, Anthropic, MiniMax
and Ollama, clips, pictures, files and the language models that --chat names, so
that their official clients work unchanged; the characters answer, and remember,
at /api/v1/characters. The same port takes http and https. It listens on this machine alone
unless --addr says otherwise; its owner needs no key there; everybody else
needs one, which kuai admin key create makes. Everything is counted, limited and paid
from balances (kuai audit). Each flag can be given in kuai.yaml and in the
environment too: kuai config.`,
		Example: `  kuai serve --addr 127.0.0.1:8080
  kuai serve --chat SmolLM2 --chat ./model.gguf
  kuai serve --upstream http://gpu1:8000/v1,http://gpu2:8000/v1#qwen3-32b
  kuai serve --comfy http://gpu1:8188,http://gpu2:8188#wan=wan.json
  kuai serve --config /etc/kuai/kuai.yaml`,
		Args: exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.wrong(o.check(a)); err != nil {
				return err
			}
			return a.serve(cmd.Context(), o)
		},
	}
	o.flags(cmd.Flags())
	return cmd
}

// serve opens everything and answers until ctx is done.
func (a *app) serve(ctx context.Context, o serveOptions) error {
	log, spans, told, err := o.watch.open(ctx, "kuai")
	if err != nil {
		return err
	}
	defer told()
	m, err := openVideo(o.model)
	if err != nil {
		return err
	}
	group, err := a.openGroup(ctx, o.texts, o.text)
	if err != nil {
		return err
	}
	defer func() { _ = group.Close() }()
	own, err := a.entries([]string{builtinText})
	if err != nil {
		return err
	}
	models := fleet.New(ctx, fleet.Options{
		Group: group, Registry: a.registry(), Hub: hubOf(), Own: own,
		Open: func(ctx context.Context, path string) (*chat.Loaded, error) { return o.text.open(ctx, path) },
	})
	defer models.Close()
	talkers, leave, err := openModels(ctx, group, o.upstreams, o.slots)
	if err != nil {
		return err
	}
	defer leave()
	house, done, err := a.openHouse(ctx, o.talkers, o.text, o.native)
	if err != nil {
		return err
	}
	defer done()
	town, err := a.openPlatform(ctx, *o.database)
	if err != nil {
		return err
	}
	defer func() { _ = town.Close() }()
	meter := metric.New()
	far, err := openFarms(o.comfy)
	if err != nil {
		return err
	}
	defer far.look(ctx)()
	jobs := jobsOptions(a.jobsDir(), *o.blobs, o.nats, m, o.idle)
	jobs.Far, jobs.FarSlots = far.runs, far.slots
	jobs.Hook, jobs.Spans = meter.Job, spans
	made, err := town.OpenJobs(ctx, jobs)
	if err != nil {
		return err
	}
	defer func() { _ = made.Close() }()
	clips := clip.NewJobs(ctx, clip.JobsOptions{Queue: made.Queue, Files: made.Files, Shape: m, Check: m.Check, Forms: far.forms})
	defer clips.Close()
	files, links, err := a.openFiles(ctx, town, made)
	if err != nil {
		return err
	}
	rooms := api.Rooms{Meter: meter, Log: log, Tracer: spans, Videos: clips, Files: files, Links: links, Chats: talkers, House: house, Platform: town, Jobs: made, Fleet: models}
	return a.listen(ctx, o, rooms)
}

// listen opens the port and the doors behind it: who may come in, and whether
// all is well.
func (a *app) listen(ctx context.Context, o serveOptions, rooms api.Rooms) error {
	town := rooms.Platform
	logins, err := o.people.rooms(town.Accounts)
	if err != nil {
		return usage(err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.addr)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	host, _, _ := net.SplitHostPort(o.addr)
	secure, err := api.TLS(o.cert, o.key, filepath.Join(a.data, "tls"), host)
	if err != nil {
		return errors.Join(usage(err), l.Close())
	}
	a.note("Kuai is at http://%s and https://%s (Ctrl-C ends it)\n", l.Addr(), l.Addr())
	home := &admit.Gate{Rooms: town, Proxies: logins.Proxies, Used: rooms.Meter.Used, Now: a.Now}
	rooms.Meter.Database, rooms.Meter.May = town.DB, home.Operator
	if at, ok := l.Addr().(*net.TCPAddr); ok && at.IP.IsLoopback() && !o.needKey {
		home.Keyless = &town.Home
	}
	rooms.Health = &health.Board{Checks: append([]health.Check{{Name: "database", Run: town.DB.Ping}}, a.disks(o)...)}
	defer context.AfterFunc(ctx, rooms.Health.Drain)()
	rooms.Gate, rooms.Keyless, rooms.Login = home, home.Keyless, logins
	if err := api.Serve(ctx, api.Both(l, secure), api.Handler(rooms)); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// disks checks the disks that are written to.
func (a *app) disks(o serveOptions) []health.Check {
	all := []health.Check{health.Writable("disk", a.data)}
	if blobs := *o.blobs; blobs != "" && !strings.Contains(blobs, "://") {
		all = append(all, health.Writable("blobs", blobs))
	}
	if path := db.SQLitePath(a.databaseURL(*o.database)); path != "" && filepath.Dir(path) != filepath.Clean(a.data) {
		all = append(all, health.Writable("database's disk", filepath.Dir(path)))
	}
	return all
}

// openFiles opens the uploads, which all nodes share with the key that signs
// their addresses; what was uploaded before they did is still there.
func (a *app) openFiles(ctx context.Context, town *platform.Platform, made *platform.Jobs) (file.Store, *file.Links, error) {
	key, err := town.Secret(ctx, "links", filepath.Join(a.data, "links.key"))
	if err != nil {
		return nil, nil, err
	}
	shared := file.Platform{Files: made.Files, Org: town.OrgOf}
	old := filepath.Join(a.data, "files")
	if _, err := os.Stat(old); errors.Is(err, fs.ErrNotExist) {
		return shared, file.LinksOf(key), nil
	}
	below, err := file.OpenDir(old)
	return file.Layers{Above: shared, Below: below}, file.LinksOf(key), err
}

// jobsDir is where files and jobs at work lie.
func (a *app) jobsDir() string { return filepath.Join(a.data, "jobs") }

// openPlatform opens accounts, limits and money, and shows the first key once.
func (a *app) openPlatform(ctx context.Context, database string) (*platform.Platform, error) {
	p, err := platform.Open(ctx, platform.Options{Database: a.databaseURL(database), Now: a.Now})
	if err != nil {
		return nil, err
	}
	if p.First != nil {
		a.note("The operator's key, shown this once: %s\n", p.First.Secret)
	}
	return p, nil
}

// jobsOptions are those of jobs that this machine makes, unless it is idle.
func jobsOptions(dir, blobs, nats string, m *video.Model, idle bool) platform.JobsOptions {
	o := platform.JobsOptions{Dir: dir, Blobs: blobs, NATS: nats, Name: "server", Callback: clip.Callback}
	if name, err := os.Hostname(); err == nil {
		o.Name = name
	}
	if !idle {
		o.Runs = clip.Runs(m)
	}
	return o
}

// openHouse opens the characters, who speak with a model.
func (a *app) openHouse(ctx context.Context, model string, o textOptions, native bool) (*converse.House, func(), error) {
	rules, err := a.rules()
	if err != nil {
		return nil, nil, err
	}
	o.model = model
	s, done, err := a.openSpeaker(ctx, &o)
	if err != nil {
		return nil, nil, err
	}
	if _, can := s.(*converse.Companion); native && !can {
		return nil, nil, errors.Join(usage(fmt.Errorf("--room: %w", converse.ErrNoRoom)), done())
	}
	h := &converse.House{
		Dir: filepath.Join(a.data, "characters", "threads"), People: a.personas(), Shelf: a.shelf(), Speaker: s, Rules: rules, Native: native,
		Speaks: a.modelID(model),
	}
	return h, func() {
		if err := errors.Join(h.Close(), done()); err != nil {
			a.note("warning: %v\n", err)
		}
	}, nil
}

// modelID is what a model that was found is called, and priced as: its file's
// name, or that of another server's.
func (a *app) modelID(name string) string {
	if upstream.Is(name) {
		_, id, _ := strings.Cut(name, "#")
		return id
	}
	path, err := a.findText(name)
	if err != nil || name == builtinText {
		return name
	}
	return strings.TrimSuffix(filepath.Base(path), ".gguf")
}

// open loads a model for many to ask.
func (o textOptions) open(ctx context.Context, path string) (*chat.Loaded, error) {
	return chat.Open(ctx, path, text.Options{Pool: par.New(o.threads), Weights: o.weights, KV: o.kv, Context: o.context, Cache: o.cache}, chat.Options{})
}

// openGroup loads language models under the names of their files.
func (a *app) openGroup(ctx context.Context, names []string, o textOptions) (*chat.Group, error) {
	g := &chat.Group{}
	for _, name := range names {
		path, err := a.findText(name)
		if err != nil {
			return nil, errors.Join(err, g.Close())
		}
		l, err := o.open(ctx, path)
		if err != nil {
			return nil, errors.Join(err, g.Close())
		}
		id := a.modelID(name)
		if !g.Add(id, l) {
			return nil, errors.Join(usage(fmt.Errorf("two models are called %s", id)), l.Close(), g.Close())
		}
	}
	return g, nil
}
