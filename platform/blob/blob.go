// Package blob holds bytes under their own SHA-256: what is stored twice is
// there once, and what is read is what was stored. Dir keeps them in a local
// directory, S3 in a bucket.
//
//	ROOT/ab/cd/abcd…   64 hexadecimal digits
//	ROOT/tmp/…         being written; left over ones are removed by Clean
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"time"

	"kuai/fault"
)

// Errors that callers branch on.
var (
	ErrNotFound = errors.New("blob: there is none with this hash")
	ErrRange    = errors.New("blob: the range is not within it")
	ErrHash     = errors.New("blob: a hash is 64 hexadecimal digits")
	ErrFull     = errors.New("blob: the disk is full; free some room and try again")
)

// Info is what a store knows of its bytes.
type Info struct {
	Hash     string // SHA-256 in lower-case hexadecimal
	Bytes    int64
	Modified time.Time // when it was stored last
}

// Store keeps bytes. Goroutines and processes may share one.
type Store interface {
	// Put stores all that r has, at most limit bytes, and returns when they
	// are safe. After an error nothing is there. It fails with fault.TooLarge
	// for more, and ErrFull without room.
	Put(ctx context.Context, r io.Reader, limit int64) (Info, error)
	// Get reads n bytes from an offset on; n < 0 is all the rest.
	Get(ctx context.Context, hash string, from, n int64) (io.ReadCloser, error)
	Stat(ctx context.Context, hash string) (Info, error)
	// Delete removes bytes; none there is fine.
	Delete(ctx context.Context, hash string) error
	// List returns all in the order of their hashes, from after one on.
	List(ctx context.Context, after string) iter.Seq2[Info, error]
	// SignedURL is an address under which whoever has it may read the bytes
	// until it expires, as a file of a name and type.
	SignedURL(ctx context.Context, hash string, l Link) (string, error)
}

// checkHash says whether a text can be a hash: it becomes a path.
func checkHash(h string) error {
	if len(h) != 2*sha256.Size {
		return ErrHash
	}
	for _, c := range []byte(h) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ErrHash
		}
	}
	return nil
}

// checkRange returns how many bytes a range has.
func checkRange(size, from, n int64) (int64, error) {
	if from < 0 || from > size || n >= 0 && n > size-from {
		return 0, fmt.Errorf("%w: %d bytes from %d of %d", ErrRange, n, from, size)
	}
	if n < 0 {
		n = size - from
	}
	return n, nil
}

// copyBuffer is what is read at once.
const copyBuffer = 256 << 10

// spool copies r to w, and returns how much it was and its hash. More than
// limit bytes are fault.TooLarge.
func spool(ctx context.Context, w io.Writer, r io.Reader, limit int64) (int64, string, error) {
	sum := sha256.New()
	n, err := io.CopyBuffer(io.MultiWriter(w, sum), &reader{ctx, io.LimitReader(r, limit+1)}, make([]byte, copyBuffer))
	if err != nil {
		return n, "", err
	}
	if n > limit {
		return n, "", fault.New(fault.TooLarge, "a file has at most %d bytes here", limit)
	}
	return n, text(sum), nil
}

func text(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }

// reader ends with its context.
type reader struct {
	ctx context.Context //nolint:containedctx // an io.Reader has no other way to it
	r   io.Reader
}

// Read reads, unless the context is done.
func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// Verify reads bytes and says what is wrong with them, "" for nothing.
func Verify(ctx context.Context, s Store, want Info) (problem string, err error) {
	r, err := s.Get(ctx, want.Hash, 0, -1)
	if errors.Is(err, ErrNotFound) {
		return "is missing", nil
	}
	if err != nil {
		return "", err
	}
	n, hash, err := spool(ctx, io.Discard, r, want.Bytes)
	err = errors.Join(err, r.Close())
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Code == fault.TooLarge {
		return "has more bytes than were stored", nil
	}
	if err == nil && (n != want.Bytes || hash != want.Hash) {
		problem = "is not what was stored"
	}
	return problem, err
}
