// Command kuai is a multimodal model stack in one binary: it turns sentences
// into clips, serves them over HTTP, and trains, measures and benchmarks the
// models behind that.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"kuai/fault"
	"kuai/format/shard"
	"kuai/internal/check"
	"kuai/kernel/isa"
	"kuai/media"
	"kuai/platform"
	"kuai/platform/config"
	"kuai/platform/db"
	"kuai/registry"
	"kuai/serve/chat"
	"kuai/text/checkpoint"
	"kuai/video"
	"kuai/world"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// version is set by the linker for releases.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	code := run(ctx, os.Args[1:], streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

// streams are where a command reads and writes, and what it takes the time from.
type streams struct {
	In       io.Reader
	Out, Err io.Writer
	Now      func() time.Time // nil is time.Now
}

// terminal says whether messages go to a person.
func (s streams) terminal() bool {
	f, ok := s.Err.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// note tells the person something; when that fails there is nobody to tell.
func (s streams) note(format string, args ...any) { _, _ = fmt.Fprintf(s.Err, format, args...) }

// app is what all commands share.
type app struct {
	streams
	data   string // directory of everything that is kept
	json   bool
	config string // file of settings; "" is kuai.yaml in data, where it is there
	values config.Values
}

// run executes the command line and returns the exit code.
func run(ctx context.Context, args []string, s streams) (code int) {
	defer func() {
		if v := recover(); v != nil {
			s.note("kuai: %v\nhint: this is a bug in kuai; please report it with the lines below\n%s", v, debug.Stack())
			code = exitFailed
		}
	}()
	a := &app{streams: s}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil || errors.Is(err, errStop) {
		s.note("kuai: interrupted\n")
		return exitInterrupted
	}
	s.note("kuai: %v\n", err)
	if h := hint(err); h != "" {
		s.note("hint: %s\n", h)
	}
	if wrongUse(err) {
		return exitUsage
	}
	return exitFailed
}

// wrongUse says whether the command line asked for what cannot be.
func wrongUse(err error) bool {
	var use *usageError
	var limit *video.LimitError
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Code == fault.Invalid {
		return true
	}
	return errors.As(err, &use) || errors.As(err, &limit) ||
		errors.Is(err, video.ErrEmptyPrompt) || errors.Is(err, video.ErrLongPrompt) || errors.Is(err, registry.ErrName)
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

// hint says what to do about an error.
func hint(err error) string {
	var limit *video.LimitError
	var use *usageError
	var bug *check.Bug
	var long *chat.TooLongError
	switch {
	case errors.Is(err, video.ErrEmptyPrompt):
		return `say what to draw, such as: kuai video "a fox jumps over the grass at night" -o fox.webm`
	case errors.Is(err, video.ErrLongPrompt):
		return "shorten the prompt to one sentence: a thing, what it does, where, and when"
	case errors.Is(err, video.ErrUnknown):
		return "the built-in model knows about 120 things, ten motions and eight scenes, in English and Chinese; see: kuai world list"
	case errors.As(err, &limit):
		return "leave the option out to get the model's own value"
	case errors.Is(err, world.ErrNoFont):
		return "training data and evaluation need the font; making clips does not"
	case errors.Is(err, media.ErrNoFFmpeg):
		return "write .mp4 without --h264 for VP8 in MP4, which Chromium and Firefox play, or install ffmpeg"
	case errors.Is(err, shard.ErrOther):
		return "choose another --dir, or remove the latents directory"
	case errors.Is(err, syscall.EADDRINUSE):
		return "something else listens there; choose another with --addr 127.0.0.1:0, which takes a free port"
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full; free some space and run the same command again: nothing is lost"
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS):
		return "choose a place that you may write to"
	case errors.Is(err, registry.ErrNotFound):
		return "name a GGUF file, a Hugging Face directory, or a model that kuai pull has brought"
	case errors.Is(err, chat.ErrMemory):
		return "ask for less with --max-tokens, shorten the prompt, or halve what a token takes with --kv q8"
	case errors.Is(err, checkpoint.ErrLost):
		return "bring the model's file back, then run the same command again"
	case errors.As(err, &long):
		return "begin anew with /reset, take turns back with /undo, or give --context more room if the model has it"
	case errors.Is(err, db.ErrNewer):
		return "run the kuai that has changed it, or a later one; the schema only goes forward"
	case errors.Is(err, db.ErrNoCopy):
		return "kuai memory backup copies what characters remember; the bucket has its own tools"
	case errors.Is(err, platform.ErrServing):
		return "stop kuai serve, restore, and start it again"
	case errors.Is(err, errNoOrg):
		return "make the first one with: kuai admin init"
	case errors.Is(err, errNoModel):
		return "name the directory of one with --model, or train one: kuai train video --help"
	case errors.Is(err, os.ErrNotExist):
		return "check the path; directories are not made on the way"
	case errors.As(err, &bug):
		return "this is a bug in kuai; please report it"
	case errors.As(err, &use):
		return "see the command's --help"
	}
	return ""
}

// root is the command line.
func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kuai",
		Short: "A multimodal model stack of your own: 快 = 好, fast is good",
		Long: `Kuai turns a sentence into a moving clip, on your machine, from one binary.

  kuai video "a fox jumps over the grass at night" -o fox.webm
  kuai serve`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
		Args:          cobra.ArbitraryArgs,
		RunE:          group,
	}
	cmd.SetIn(a.In)
	cmd.SetOut(a.Out)
	cmd.SetErr(a.Err)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		return usage(errors.Join(isa.Check(), a.settings(cmd)))
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&a.data, "data", dataDir(), "directory for everything that is kept (environment: KUAI_DATA)")
	config.Place(flags, "")
	flags.StringVar(&a.config, "config", os.Getenv("KUAI_CONFIG"), "file of settings (default: kuai.yaml in --data, where it is there; environment: KUAI_CONFIG)")
	flags.BoolVar(&a.json, "json", false, "print one JSON object instead of text")
	cmd.AddCommand(a.videoCommand(), a.chatCommand(), a.generateCommand(), a.modelsCommand(), a.pullCommand(), a.quantizeCommand(), a.convertCommand(), a.serveCommand(), a.worldCommand(), a.companionCommand(), a.characterCommand(), a.personaCommand(), a.groupCommand(), a.memoryCommand(), a.adminCommand(), a.workerCommand(), a.configCommand(), a.backupCommand(), a.restoreCommand(), a.trainCommand(), a.evalCommand(), a.benchCommand(), a.versionCommand())
	cmd.AddCommand(a.auditCommand(), a.usageCommand(), a.pricesCommand(), a.balanceCommand()) // money
	return cmd
}

// dataDir is the default of --data.
func dataDir() string {
	if dir := os.Getenv("KUAI_DATA"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "kuai")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "kuai-data"
	}
	return filepath.Join(home, ".local", "share", "kuai")
}

// group runs a command that only has commands below it: without arguments it
// helps, anything else is wrong use.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	near := ""
	cmd.SuggestionsMinimumDistance = 2 // letters
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		near = fmt.Sprintf(", did you mean %q?", like[0])
	}
	return usage(fmt.Errorf("unknown command %q for %q%s", args[0], cmd.CommandPath(), near))
}

// exactArgs is cobra.ExactArgs as a usage error that says what is missing.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usage(fmt.Errorf("%d arguments, want %s", len(args), what))
		}
		return nil
	}
}
