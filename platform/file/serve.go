package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"kuai/fault"
	"kuai/platform/blob"
)

// content reads bytes out of the store as http.ServeContent wants them: a seek
// costs nothing until something is read.
type content struct {
	ctx    context.Context //nolint:containedctx // an io.Reader has no other way to it
	blobs  blob.Store
	hash   string
	size   int64
	offset int64
	r      io.ReadCloser
}

// Read opens the bytes at the offset and reads on.
func (c *content) Read(p []byte) (int, error) {
	if c.offset >= c.size {
		return 0, io.EOF
	}
	if c.r == nil {
		var err error
		if c.r, err = c.blobs.Get(c.ctx, c.hash, c.offset, -1); err != nil {
			return 0, fmt.Errorf("file: %w", err)
		}
	}
	n, err := c.r.Read(p)
	c.offset += int64(n)
	return n, err
}

// Seek goes elsewhere.
func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.offset
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, errors.New("file: a seek before the beginning")
	}
	if offset != c.offset {
		if err := c.Close(); err != nil {
			return 0, err
		}
		c.offset = offset
	}
	return offset, nil
}

// Close lets go of the bytes.
func (c *content) Close() error {
	if c.r == nil {
		return nil
	}
	err := c.r.Close()
	c.r = nil
	return wrap(err)
}

// Open reads a file's bytes. The caller closes it.
func (s *Store) Open(ctx context.Context, f File) (io.ReadSeekCloser, error) {
	info, err := s.blobs.Stat(ctx, f.SHA256)
	if err != nil {
		return nil, fmt.Errorf("file: %s: %w", f.ID, err)
	}
	return &content{ctx: ctx, blobs: s.blobs, hash: f.SHA256, size: info.Bytes}, nil
}

// Serve answers a request with a file: GET, HEAD, ranges, ETag. What the file
// says it is cannot run as a page of this server. It returns an error only
// where nothing was sent.
func (s *Store) Serve(w http.ResponseWriter, r *http.Request, f File, inline bool) error {
	c, err := s.Open(r.Context(), f)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("Content-Disposition", blob.Disposition(f.Name, inline))
	h.Set("ETag", `"`+f.SHA256+`"`)
	h.Set("Cache-Control", "private, max-age=31536000, immutable") // the bytes of a name never change
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	http.ServeContent(w, r, "", f.Created, c)
	return c.Close()
}

// URL is an address under which whoever has it can read a file until then.
func (s *Store) URL(ctx context.Context, f File, expires time.Duration, inline bool) (string, error) {
	u, err := s.blobs.SignedURL(ctx, f.SHA256, blob.Link{Name: f.Name, Type: f.Type, Expires: expires, Inline: inline})
	return u, wrap(err)
}

// ServeSigned answers a request to an address that URL made, of the path value
// "hash".
func (s *Store) ServeSigned(w http.ResponseWriter, r *http.Request) error {
	hash := r.PathValue("hash")
	if s.signer == nil {
		return fault.New(fault.NotFound, "this server signs no addresses")
	}
	l, err := s.signer.Check(hash, r.URL.Query())
	if err != nil {
		return err
	}
	err = s.Serve(w, r, File{Name: l.Name, Type: l.Type, SHA256: hash}, l.Inline)
	if errors.Is(err, blob.ErrNotFound) {
		return fault.New(fault.NotFound, "this file is no more")
	}
	return err
}
