package render

import (
	"fmt"
	"regexp"
	"strings"

	"kuai/media"
	"kuai/video"
)

// Form is what the clips of a model of other servers are like.
type Form struct {
	Name   string `json:"-"` // of the model
	Width  int    `json:"width"`
	Height int    `json:"height"`
	FPS    int    `json:"fps"`
	Frames int    `json:"frames"` // at most, and where nobody says
	Stride int    `json:"stride"` // a clip has a multiple of it and one frames; 0 is 1
	// Picture says that a clip begins with a picture, which every order has then.
	Picture bool `json:"-"`
	// Takes are those of "seed", "steps", "guidance" and "frames" that change a clip.
	Takes []string `json:"-"`
}

// names of models stand in kinds of jobs, prices and addresses.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Check says what is wrong with a form.
func (f Form) Check() error {
	switch {
	case !names.MatchString(f.Name):
		return fmt.Errorf("render: a model's name is letters, digits, dots and dashes, at most 64, not %.80q", f.Name)
	case f.Width < 1 || f.Height < 1 || f.Width > media.MaxSide || f.Height > media.MaxSide:
		return fmt.Errorf("render: clips of %dx%d, want sides of 1 to %d", f.Width, f.Height, media.MaxSide)
	case f.FPS < 1 || f.FPS > 240 || f.Frames < 1 || f.Frames > media.MaxFrames || f.Stride < 0 || f.Stride > f.Frames:
		return fmt.Errorf("render: %d frames at %d a second in steps of %d cannot be", f.Frames, f.FPS, f.Stride)
	}
	return nil
}

// Kind is what the model's jobs are, which only those take that have the model.
func (f Form) Kind() string { return Kind + ":" + f.Name }

// IsClip says whether a kind of job makes clips, with whatever model.
func IsClip(kind string) bool { return kind == Kind || strings.HasPrefix(kind, Kind+":") }

const (
	maxSteps  = 1000
	maxPrompt = 32 << 10 // bytes
)

// CheckRequest says what the model cannot do, as the built-in one's Check does.
func (f Form) CheckRequest(r video.Request) error {
	switch {
	case r.Frames < 0 || r.Frames > f.Frames:
		return &video.LimitError{Field: "frames", Got: r.Frames, Want: fmt.Sprintf("0 to %d", f.Frames)}
	case r.Steps < 0 || r.Steps > maxSteps:
		return &video.LimitError{Field: "steps", Got: r.Steps, Want: fmt.Sprintf("0 to %d", maxSteps)}
	case strings.TrimSpace(r.Prompt) == "":
		return video.ErrEmptyPrompt
	case len(r.Prompt) > maxPrompt:
		return video.ErrLongPrompt
	}
	return nil
}

// FramesOf is how many frames a clip of some seconds has.
func (f Form) FramesOf(seconds float64) int {
	stride := max(f.Stride, 1)
	return min(1+int(seconds*float64(f.FPS)+0.5)/stride*stride, f.Frames)
}
