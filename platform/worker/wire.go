// Package worker lets machines elsewhere make the jobs of a server: a Client is
// a job.Desk over HTTP, for whoever has a worker's token. It needs neither the
// database nor the blob store.
//
//	POST /api/v1/workers                                  Hello     -> Welcome
//	POST /api/v1/workers/{worker}/claim                   Ask       -> Task, or 204 after the wait
//	POST /api/v1/workers/{worker}/jobs/{job}/heartbeat    Beat
//	POST /api/v1/workers/{worker}/jobs/{job}/preview      Picture
//	POST /api/v1/workers/{worker}/jobs/{job}/finalise     Word
//	PUT  /api/v1/workers/{worker}/jobs/{job}/files/{name} the bytes, ?attempt=, Content-Type, X-Checksum-Sha256
//	POST /api/v1/workers/{worker}/jobs/{job}/finish       Word
//	POST /api/v1/workers/{worker}/jobs/{job}/fail         Word
//	POST /api/v1/workers/{worker}/jobs/{job}/return       Word
//	GET  /api/v1/workers/{worker}/jobs/{job}/stopped      204 after some seconds, ?attempt=
//
// A job that is no longer the worker's is answered with 409 and a Refusal whose
// code is "lost", whatever was asked.
package worker

import (
	"encoding/json"
	"time"

	"kuai/platform/job"
)

// Limits of the protocol.
const (
	// MaxWait is how long a question for work, or whether it is still wanted,
	// stays open.
	MaxWait = 25 * time.Second
	// MaxBody bounds all bodies but files.
	MaxBody = 2 << 20
	// ChecksumHeader has the SHA-256 of a file in hexadecimal.
	ChecksumHeader = "X-Checksum-Sha256"
	// CodeLost is the code of a Refusal for a job that is another's.
	CodeLost = "lost"
)

// Hello is how a worker introduces itself.
type Hello struct {
	Name  string   `json:"name"`
	Slots int      `json:"slots"`
	Kinds []string `json:"kinds"`
}

// Welcome is the server's answer.
type Welcome struct {
	ID      string `json:"id"`
	LeaseMS int64  `json:"lease_ms"`
}

// Ask is a question for work.
type Ask struct {
	Name   string   `json:"name"`
	Slots  int      `json:"slots"`
	Kinds  []string `json:"kinds"`
	Models []string `json:"models,omitempty"`
	WaitMS int64    `json:"wait_ms"`
}

// Task is a job as its worker sees it: nothing of whose it is.
type Task struct {
	Job     string          `json:"job"`
	Attempt int             `json:"attempt"`
	Kind    string          `json:"kind"`
	Model   string          `json:"model"`
	Body    json.RawMessage `json:"body"`
	Trace   json.RawMessage `json:"trace,omitempty"` // see job.TraceOf
}

// Beat is a sign of life. One that is not kept only tells those who watch.
type Beat struct {
	Attempt  int          `json:"attempt"`
	Progress job.Progress `json:"progress"`
	Keep     bool         `json:"keep"`
}

// Picture is a preview.
type Picture struct {
	Attempt int         `json:"attempt"`
	Preview job.Preview `json:"preview"`
}

// Word says how an attempt goes on or ended.
type Word struct {
	Attempt int              `json:"attempt"`
	Data    json.RawMessage  `json:"data,omitempty"`    // of finish
	Usage   map[string]int64 `json:"usage,omitempty"`   // of finish
	Failure *job.Failure     `json:"failure,omitempty"` // of fail
}

// Refusal is the body of an error.
type Refusal struct {
	Error struct {
		Code    string    `json:"code"`
		Message string    `json:"message"`
		State   job.State `json:"state,omitempty"`   // of a lost job
		Attempt int       `json:"attempt,omitempty"` // that has it
	} `json:"error"`
}
