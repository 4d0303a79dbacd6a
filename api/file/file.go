// Package file is what dialects need of a place for files: those that clients
// upload, and those that are made for them. Dir keeps them in a directory;
// Links lets a client without a key fetch one for some hours.
package file

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"kuai/fault"
)

// File is what is known of a file.
type File struct {
	ID      int64     `json:"id"` // below 2^53, since JavaScript must hold it
	Owner   string    `json:"owner"`
	Name    string    `json:"name"`
	Purpose string    `json:"purpose"`
	Type    string    `json:"type"` // of its content
	Bytes   int64     `json:"bytes"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// Store keeps files. What belongs to another owner is not found, which is a
// *fault.Error.
type Store interface {
	// Put stores what r has, all of it or nothing; id, size and time are set.
	Put(ctx context.Context, f File, r io.Reader) (File, error)
	Stat(ctx context.Context, owner string, id int64) (File, error)
	Open(ctx context.Context, owner string, id int64) (File, io.ReadSeekCloser, error)
	Delete(ctx context.Context, owner string, id int64) error
	List(ctx context.Context, owner string) ([]File, error) // the newest first
}

// prefix is before the number in OpenAI's ids.
const prefix = "file-"

// Name is the id as OpenAI's dialect has it.
func Name(id int64) string { return prefix + strconv.FormatInt(id, 10) }

// ParseID reads an id of any dialect.
func ParseID(s string) (int64, error) {
	id, err := strconv.ParseInt(strings.TrimPrefix(s, prefix), 10, 64)
	if err != nil || id <= 0 {
		return 0, notFound()
	}
	return id, nil
}

func notFound() error { return fault.New(fault.NotFound, "there is no file with this id") }
