package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"kuai/fault"
	"kuai/platform/fetch"
	"kuai/platform/job"
)

const (
	challengeTime = 3 * time.Second // MiniMax gives its receivers as much
	maxChallenge  = 4 << 10         // bytes of the answer
)

// Challenge asks whether a call-back address wants to be called: it has to
// answer {"challenge": …} with the same. It fails with fault.Invalid.
func Challenge(ctx context.Context, c *fetch.Client, address string) error {
	if err := fetch.Check(address); err != nil {
		f := fault.From(err)
		f.Param = "callback_url"
		return f
	}
	type body struct {
		Challenge string `json:"challenge"`
	}
	sent := body{rand.Text()}
	data, err := json.Marshal(sent)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, challengeTime)
	defer cancel()
	refused := func(err error) error {
		f := fault.Wrap(err, fault.Invalid, "callback_url did not answer the challenge within %v", challengeTime)
		f.Param = "callback_url"
		return f
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(data))
	if err != nil {
		return refused(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := c.Do(r)
	if err != nil {
		return refused(err)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxChallenge))
	_ = res.Body.Close() // read as far as it matters
	var got body
	if err == nil {
		err = json.Unmarshal(answer, &got)
	}
	if err != nil || res.StatusCode != http.StatusOK || got != sent {
		return refused(err)
	}
	return nil
}

// MiniMax is what its query endpoint says of a task, and its call-back sends.
type MiniMax struct {
	TaskID string `json:"task_id"`
	Status string `json:"status"`
	FileID string `json:"file_id,omitempty"`
	Width  int    `json:"video_width,omitempty"`
	Height int    `json:"video_height,omitempty"`
	Base   struct {
		Code    int    `json:"status_code"`
		Message string `json:"status_msg"`
	} `json:"base_resp"`
}

// MiniMaxOf is the body of a call-back about a job: statuses are lower case
// here, and a failed one has a code that is not 0. file is its number, without
// the prefix; code is MiniMax's for the error.
func MiniMaxOf(task string, j job.Job, file string, width, height, code int) MiniMax {
	m := MiniMax{TaskID: task, Status: "processing"}
	m.Base.Message = "success"
	switch j.State {
	case job.Done:
		m.Status, m.FileID, m.Width, m.Height = "success", file, width, height
	case job.Failed, job.Cancelled, job.Expired:
		m.Status, m.Base.Code, m.Base.Message = "failed", code, string(j.State)
		if code == 0 {
			m.Base.Code = miniMaxInternal
		}
		if j.Error != nil {
			m.Base.Message = j.Error.Message
		}
	case job.Queued, job.Running, job.Finalising:
	}
	return m
}

// miniMaxInternal is its code for what failed on our side.
const miniMaxInternal = 1024
