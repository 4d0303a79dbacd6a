package file

import (
	"cmp"
	"context"
	"io"
	"slices"

	"kuai/fault"
)

// Layers is a Store of which Below has what was uploaded before there was
// Above: it is read and deleted there, and new files go above.
type Layers struct{ Above, Below Store }

// found says whether an error of Above leaves nothing to look for below.
func found(err error) bool { return err == nil || fault.From(err).Code != fault.NotFound }

// Put stores a file above.
func (l Layers) Put(ctx context.Context, f File, r io.Reader) (File, error) {
	return l.Above.Put(ctx, f, r)
}

// Stat returns what is known of a file.
func (l Layers) Stat(ctx context.Context, owner string, id int64) (File, error) {
	if f, err := l.Above.Stat(ctx, owner, id); found(err) {
		return f, err
	}
	return l.Below.Stat(ctx, owner, id)
}

// Open reads a file.
func (l Layers) Open(ctx context.Context, owner string, id int64) (File, io.ReadSeekCloser, error) {
	if f, r, err := l.Above.Open(ctx, owner, id); found(err) {
		return f, r, err
	}
	return l.Below.Open(ctx, owner, id)
}

// Delete removes a file.
func (l Layers) Delete(ctx context.Context, owner string, id int64) error {
	if err := l.Above.Delete(ctx, owner, id); found(err) {
		return err
	}
	return l.Below.Delete(ctx, owner, id)
}

// List returns the files of an owner in both.
func (l Layers) List(ctx context.Context, owner string) ([]File, error) {
	all, err := l.Above.List(ctx, owner)
	if err != nil {
		return nil, err
	}
	old, err := l.Below.List(ctx, owner)
	if err != nil {
		return nil, err
	}
	all = append(all, old...)
	slices.SortStableFunc(all, func(a, b File) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID)) })
	return all, nil
}
