package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"kuai/media"
	"kuai/models"
	"kuai/par"
	"kuai/video"
)

// defaultScale enlarges the small frames of the built-in model, so that
// players do not show blocks.
const defaultScale = 4

type videoOptions struct {
	out, model string
	format     string
	seed       uint64
	steps      int
	frames     int
	size       int
	guidance   float32
	scale      int
	quality    int
	h264       bool
	seeded     bool
}

func (a *app) videoCommand() *cobra.Command {
	var o videoOptions
	cmd := &cobra.Command{
		Use:   "video PROMPT",
		Short: "Turn a sentence into a clip",
		Long: `Turn a sentence, in English or Chinese, into a moving clip. The ending of the
output's name chooses the format: .webm .mp4 .webp .gif .png .zip (of PNGs).`,
		Example: `  kuai video "a fox jumps over the grass at night" -o fox.webm
  kuai video "一只狐狸夜里在草地上跳" -o fox.gif --seed 7`,
		Args: exactArgs(1, "one prompt, in quotes"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.seeded = cmd.Flags().Changed("seed")
			return a.video(cmd.Context(), args[0], o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "output", "o", "clip.webm", "file to write")
	f.StringVar(&o.format, "format", "", "webm, mp4, webp, gif, png or zip (default: by the ending of the output's name)")
	f.StringVar(&o.model, "model", "", "directory of a model (default: the built-in one)")
	f.Uint64Var(&o.seed, "seed", 0, "repeat a clip bit for bit (default: a new one each time)")
	f.IntVar(&o.steps, "steps", 0, fmt.Sprintf("steps of the sampler (default %d)", video.DefaultSteps))
	f.IntVar(&o.frames, "frames", 0, "frames: 1, 5, 9 and so on (default: the model's)")
	f.IntVar(&o.size, "size", 0, "pixels on a side, before --scale (default: the model's)")
	f.Float32Var(&o.guidance, "guidance", 0, fmt.Sprintf("how closely to follow the prompt, 1 to 20 (default %d)", video.DefaultGuidance))
	f.IntVar(&o.scale, "scale", defaultScale, "enlarge the frames by this factor")
	f.IntVar(&o.quality, "quality", media.DefaultQuality, "of the file, 1 to 100")
	f.BoolVar(&o.h264, "h264", false, "write H.264 into .mp4, through ffmpeg")
	return cmd
}

var errNoModel = errors.New("there is no such video model")

// openVideo opens the model in a directory, or the built-in one.
func openVideo(dir string) (*video.Model, error) {
	files := models.Video()
	if dir != "" {
		files = os.DirFS(dir)
	}
	name := dir
	if dir == "" {
		name = "built-in model"
	}
	m, err := video.Open(files, par.New(0))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s: %w", errNoModel, name, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// videoReport is what --json prints.
type videoReport struct {
	Prompt     string             `json:"prompt"`
	File       string             `json:"file"`
	Seed       uint64             `json:"seed"`
	Steps      int                `json:"steps"`
	Frames     int                `json:"frames"`
	Width      int                `json:"width"`
	Height     int                `json:"height"`
	FPS        int                `json:"fps"`
	Understood []video.Slot       `json:"understood"`
	Unknown    []string           `json:"unknown_words"`
	Seconds    map[string]float64 `json:"seconds"`
}

// fileFormat is what --format, --h264 and the output's name say.
func (o videoOptions) fileFormat() (media.Format, error) {
	name := o.out
	if o.format != "" {
		name = "clip." + o.format
	}
	format, err := media.FormatOf(name)
	switch {
	case err != nil:
		return "", err
	case !o.h264:
		return format, nil
	case format != media.MP4:
		return "", fmt.Errorf("--h264 wants an output that ends in .mp4, not %s", o.out)
	}
	return media.H264, nil
}

// writable says before the work whether its result can be kept afterwards.
func writable(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil // a device, a pipe, a directory of frames
	}
	f, err := os.CreateTemp(filepath.Dir(filepath.Clean(path)), ".kuai-*")
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	f.Close() //nolint:errcheck // empty
	return os.Remove(f.Name())
}

func (a *app) video(ctx context.Context, prompt string, o videoOptions) error {
	format, err := o.fileFormat()
	if err != nil {
		return usage(err)
	}
	if err := video.CheckPrompt(prompt); err != nil {
		return err
	}
	if err := writable(o.out); err != nil {
		return err
	}
	if !o.seeded {
		o.seed = rand.Uint64() >> 11 // exact in JSON
	}
	m, err := openVideo(o.model)
	if err != nil {
		return err
	}
	begin := time.Now()
	res, err := m.Generate(ctx, video.Request{
		Prompt: prompt, Seed: o.seed, Steps: o.steps, Frames: o.frames, Size: o.size, Guidance: o.guidance,
	}, a.progress())
	if err != nil {
		if a.terminal() {
			_, _ = fmt.Fprint(a.Err, "\r\033[K") // of the bar
		}
		return err
	}
	filed := time.Now()
	if err := media.SaveAs(o.out, format, res.Clip, media.Options{Quality: o.quality, Scale: o.scale}); err != nil {
		return err
	}
	rep := videoReport{
		Prompt: prompt, File: o.out, Seed: res.Seed, Steps: res.Steps, Frames: len(res.Clip.Frames),
		Width: res.Clip.Width * o.scale, Height: res.Clip.Height * o.scale, FPS: res.Clip.FPS,
		Understood: res.Understood, Unknown: res.Unknown,
		Seconds: map[string]float64{
			"text": res.Timing.Text.Seconds(), "sample": res.Timing.Sample.Seconds(), "decode": res.Timing.Decode.Seconds(),
			"file": time.Since(filed).Seconds(), "total": time.Since(begin).Seconds(),
		},
	}
	if a.json {
		return json.NewEncoder(a.Out).Encode(rep)
	}
	return describe(a.Out, rep)
}

// describe prints a finished clip for people.
func describe(w io.Writer, r videoReport) error {
	var text strings.Builder
	var said []string
	for _, s := range r.Understood {
		said = append(said, fmt.Sprintf("%s: %s", s.Kind, s.En))
	}
	if len(said) > 0 {
		fmt.Fprintf(&text, "understood  %s\n", strings.Join(said, ", "))
	}
	if len(r.Unknown) > 0 {
		fmt.Fprintf(&text, "unknown     %s (left to chance)\n", strings.Join(r.Unknown, ", "))
	}
	fmt.Fprintf(&text, "%s  %d frames of %dx%d, seed %d, %.1f s\n", r.File, r.Frames, r.Width, r.Height, r.Seed, r.Seconds["total"])
	_, err := io.WriteString(w, text.String())
	return err
}

// progress shows a bar where a person looks on.
func (a *app) progress() func(video.Progress) {
	if a.json || !a.terminal() {
		return nil
	}
	var bar *progressbar.ProgressBar
	stage := ""
	return func(p video.Progress) {
		if p.Stage != stage {
			stage = p.Stage
			bar = progressbar.NewOptions(p.Steps,
				progressbar.OptionSetWriter(a.Err), progressbar.OptionSetDescription(fmt.Sprintf("%-6s", p.Stage)),
				progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionShowCount())
		}
		_ = bar.Set(p.Step) // a bar that cannot be drawn harms nothing
	}
}
