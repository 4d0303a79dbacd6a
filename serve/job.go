// Package serve is what a server needs of the models, and how it tells of a clip
// that is on its way or made. The models of text are in chat, fleet and upstream.
package serve

import (
	"context"
	"errors"
	"time"

	"kuai/video"
)

// Generator makes clips; *video.Model is one.
type Generator interface {
	// Check says what is wrong with a request, before it waits.
	Check(req video.Request) error
	Generate(ctx context.Context, req video.Request, progress func(video.Progress)) (*video.Result, error)
}

// Shaped is a Generator that says which clips it makes.
type Shaped interface {
	Size() int   // pixels on a side
	Frames() int // at most
	FPS() int
}

// Errors that callers branch on.
var (
	ErrNotFound = errors.New("serve: there is no such clip")
	ErrNotReady = errors.New("serve: the clip is not finished")
)

// Status is where a job stands.
type Status string

// The statuses. The last three are final.
const (
	Queued    Status = "queued"
	Running   Status = "in_progress"
	Completed Status = "completed"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Final says whether nothing will change any more.
func (s Status) Final() bool { return s == Completed || s == Failed || s == Cancelled }

// Job is one clip on its way or made.
type Job struct {
	ID       string        `json:"id"`
	Model    string        `json:"model"`
	Request  video.Request `json:"request"`
	Status   Status        `json:"status"`
	Progress float64       `json:"progress"` // 0 to 1
	Stage    string        `json:"stage"`
	Step     int           `json:"step"` // done of Steps, in this stage
	Steps    int           `json:"steps"`
	Created  time.Time     `json:"created"`
	Finished time.Time     `json:"finished,omitzero"`
	Error    string        `json:"error,omitempty"`

	// Tags are the submitter's: whose it is and what it is for. They are kept
	// with the job and mean nothing to the queue.
	Tags map[string]string `json:"tags,omitempty"`

	Width, Height, FPS, Frames int // as it is delivered
	Understood                 []video.Slot
	Unknown                    []string
	Seconds                    float64 // of work

	Position int           `json:"-"` // of one that waits: 1 is next; 0 where nobody knows
	Left     time.Duration `json:"-"` // until it is done; 0 where nobody knows
}
