package file

import (
	"context"
	"io"
	"time"

	"kuai/platform/file"
)

// Platform is a Store over the platform's files, which any node serves. Its
// owners are projects; Org says whose a project is.
type Platform struct {
	Files *file.Store
	// Org returns the organisation of an owner; nil: the owner's own name.
	Org func(ctx context.Context, owner string) string
}

func (p Platform) org(ctx context.Context, owner string) string {
	if p.Org == nil {
		return owner
	}
	return p.Org(ctx, owner)
}

func of(f file.File) File {
	return File{ID: int64(f.ID), Owner: f.Project, Name: f.Name, Purpose: f.Purpose, Type: f.Type, Bytes: f.Bytes, Created: f.Created, Expires: f.Expires}
}

// Put stores an upload.
func (p Platform) Put(ctx context.Context, f File, r io.Reader) (File, error) {
	u := file.Upload{Org: p.org(ctx, f.Owner), Project: f.Owner, Purpose: f.Purpose, Name: f.Name, Type: f.Type}
	if !f.Expires.IsZero() {
		u.Expires = max(time.Until(f.Expires), time.Second)
	}
	out, err := p.Files.Create(ctx, u, r)
	return of(out), err
}

func (p Platform) owned(ctx context.Context, owner string, id int64) (file.File, error) {
	f, err := p.Files.Get(ctx, "", file.ID(id))
	if err != nil || f.Project != owner {
		return file.File{}, notFound()
	}
	return f, nil
}

// Stat returns what is known of a file.
func (p Platform) Stat(ctx context.Context, owner string, id int64) (File, error) {
	f, err := p.owned(ctx, owner, id)
	return of(f), err
}

// Open reads a file.
func (p Platform) Open(ctx context.Context, owner string, id int64) (File, io.ReadSeekCloser, error) {
	f, err := p.owned(ctx, owner, id)
	if err != nil {
		return File{}, nil, err
	}
	r, err := p.Files.Open(ctx, f)
	return of(f), r, err
}

// Delete removes a file.
func (p Platform) Delete(ctx context.Context, owner string, id int64) error {
	if _, err := p.owned(ctx, owner, id); err != nil {
		return err
	}
	return p.Files.Delete(ctx, "", file.ID(id))
}

// maxListed bounds a list.
const maxListed = 1000

// List returns the owner's uploads, the newest first, at most a thousand.
func (p Platform) List(ctx context.Context, owner string) ([]File, error) {
	all, _, err := p.Files.List(ctx, file.Filter{Project: owner, Limit: maxListed})
	var out []File
	for _, f := range all {
		if f.Job == "" {
			out = append(out, of(f))
		}
	}
	return out, err
}
