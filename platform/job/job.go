package job

import (
	"encoding/json"
	"time"

	"kuai/fault"
)

// Limits of what is stored with a job.
const (
	maxBody        = 1 << 20 // bytes of a request, as JSON
	maxMeta        = 64 << 10
	maxResult      = 1 << 20
	maxProgress    = 4 << 10
	maxPreview     = 256 << 10 // bytes of a frame
	maxOutputs     = 64        // files of one job
	maxKey         = 255       // bytes of an idempotency key
	maxName        = 255       // bytes of other names
	maxCause       = 2 << 10
	maxPriority    = 100
	maxAttempts    = 20
	defaultAllowed = 3
	defaultExpiry  = 24 * time.Hour
)

// Request is what somebody wants made.
type Request struct {
	Org, Project, User, Key string

	Kind  string          // what runs it, such as "video"
	Model string          // for estimates and for workers that have it
	Body  json.RawMessage // for the runner
	Meta  json.RawMessage // for the submitter: price, call-back, dialect

	IdempotencyKey string        // within the organisation; "" is none
	Priority       int           // -100 to 100, higher is sooner
	Share          string        // tenants take turns by it; "" is the organisation
	Attempts       int           // 0 is three
	Expires        time.Duration // 0 is a day, negative is never
}

// Progress is how far a job is.
type Progress struct {
	Fraction float64 `json:"fraction"` // 0 to 1
	Stage    string  `json:"stage,omitempty"`
	Step     int     `json:"step,omitempty"` // done of Steps, in this stage
	Steps    int     `json:"steps,omitempty"`
}

// Preview is a picture of what a job is going to be.
type Preview struct {
	Type string `json:"type"` // MIME
	Data []byte `json:"data"`
}

// Output is a stored file that a job made.
type Output struct {
	Name   string `json:"name"`
	Type   string `json:"type"` // MIME
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	File   string `json:"file,omitempty"` // its id, once the job is done
}

// Result is what a job made: data about it for whoever asked, what it used,
// for the money, and files.
type Result struct {
	Data    json.RawMessage  `json:"data,omitempty"`
	Usage   map[string]int64 `json:"usage,omitempty"`
	Outputs []Output         `json:"outputs,omitempty"`
}

// Job is one request on its way or at its end.
type Job struct {
	ID                      string
	Org, Project, User, Key string
	Kind, Model             string
	Body, Meta              json.RawMessage
	Priority                int
	Share                   string

	Standing

	Worker     string // who has it, or had it last
	LeaseUntil time.Time
	Progress   Progress
	Result     Result
	Error      *fault.Error // of one that failed; Cause is for operators
	Version    int64        // counts changes of state
	Created    time.Time
	Started    time.Time // of the latest attempt
	Ended      time.Time

	beats int64
}

// Lease is what a worker holds: all that it writes carries it.
type Lease struct {
	Job     string `json:"job"`
	Attempt int    `json:"attempt"`
}

// Lease returns what the worker who has just claimed the job holds.
func (j Job) Lease() Lease { return Lease{j.ID, j.Attempt} }

// errNotFound does not tell whether another organisation has such a job.
func errNotFound(id string) error { return fault.New(fault.NotFound, "there is no job %s", id) }

// check says what is wrong with a request, and fills in what is left open.
func (r *Request) check() error {
	if len(r.Body) == 0 {
		r.Body = json.RawMessage("{}")
	}
	if len(r.Meta) == 0 {
		r.Meta = json.RawMessage("{}")
	}
	if r.Share == "" {
		r.Share = r.Org
	}
	if r.Attempts == 0 {
		r.Attempts = defaultAllowed
	}
	if r.Expires == 0 {
		r.Expires = defaultExpiry
	}
	switch {
	case r.Kind == "" || len(r.Kind) > maxName || len(r.Model) > maxName:
		return fault.Param("model", "a job's kind and model are names of at most %d bytes", maxName)
	case len(r.Org) > maxName || len(r.Project) > maxName || len(r.User) > maxName || len(r.Key) > maxName || len(r.Share) > maxName:
		return fault.Param("", "the names of an organisation, project, user and key have at most %d bytes", maxName)
	case len(r.Body) > maxBody || len(r.Meta) > maxMeta:
		return fault.New(fault.TooLarge, "a job's request has at most %d bytes", maxBody)
	case !json.Valid(r.Body) || !json.Valid(r.Meta):
		return fault.Param("", "a job's request is JSON")
	case len(r.IdempotencyKey) > maxKey:
		return fault.Param("Idempotency-Key", "an idempotency key has at most %d bytes", maxKey)
	case r.Priority < -maxPriority || r.Priority > maxPriority:
		return fault.Param("priority", "priority is %d, want %d to %d", r.Priority, -maxPriority, maxPriority)
	case r.Attempts < 1 || r.Attempts > maxAttempts:
		return fault.Param("attempts", "attempts is %d, want 1 to %d", r.Attempts, maxAttempts)
	}
	return nil
}
