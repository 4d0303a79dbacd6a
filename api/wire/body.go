// Package wire is what all dialects do alike with HTTP: bodies with limits,
// tolerant JSON, event streams, ids of requests, what a client's error becomes
// in the log.
package wire

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"kuai/fault"
)

const (
	// MaxChat bounds a request to a language model: a million tokens of text, as JSON.
	MaxChat = 16 << 20
	// MaxSmall bounds requests without text of length.
	MaxSmall = 1 << 20
	// MaxUpload bounds a file: the largest that the OpenAI SDK sends in one piece.
	MaxUpload = 512 << 20

	bodyTimeout   = 30 * time.Second
	uploadTimeout = 10 * time.Minute
	maxFormMemory = 1 << 20 // of a form's fields; files go to a store
)

// Limit bounds a request's body and the time that it may take to arrive.
func Limit(w http.ResponseWriter, r *http.Request, limit int64) {
	wait := bodyTimeout
	if limit > MaxChat {
		wait = uploadTimeout
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(wait)) // where the server can
}

// ReadJSON decodes a body of at most limit bytes. Fields that v does not have
// are passed over. An empty body is an empty object.
func ReadJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	Limit(w, r, limit)
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return Broken(err, limit)
	}
	return Unmarshal(data, v)
}

// Unmarshal decodes JSON from a client.
func Unmarshal(data []byte, v any) error {
	if len(strings.TrimSpace(string(data[:min(len(data), 64)]))) == 0 && len(data) <= 64 {
		return nil
	}
	err := json.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && t.Field != "" {
		return fault.Param(t.Field, "%s cannot be a JSON %s", t.Field, t.Value)
	}
	return fault.New(fault.Invalid, "the request is not the JSON that is expected: %v", err)
}

// Broken is a body that could not be read.
func Broken(err error, limit int64) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.New(fault.TooLarge, "the request is longer than %d bytes", limit)
	}
	return fault.Wrap(err, fault.Invalid, "the request's body ended early")
}

// IsForm says whether a body is a form and not JSON.
func IsForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (kind == "multipart/form-data" || kind == "application/x-www-form-urlencoded")
}

// ReadForm parses a form of at most limit bytes. Whoever calls it calls
// CloseForm when the files have been read. A form without files has the limit
// of a small request: all of it goes into memory.
func ReadForm(w http.ResponseWriter, r *http.Request, limit int64) error {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "multipart/form-data" {
		limit = min(limit, MaxSmall)
	}
	Limit(w, r, limit)
	err := r.ParseMultipartForm(maxFormMemory)
	if err == nil || errors.Is(err, http.ErrNotMultipart) {
		return nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return Broken(err, limit)
	}
	return fault.New(fault.Invalid, "form: %v", err)
}

// CloseForm removes what a form left on the disk.
func CloseForm(r *http.Request) {
	if r.MultipartForm != nil {
		_ = r.MultipartForm.RemoveAll() // a file of the temporary directory that stays is the system's
	}
}

// JSON writes a value.
func JSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // the caller has gone: nobody to tell
}
