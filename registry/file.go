package registry

import (
	"context"
	"crypto/sha1" //nolint:gosec // git names small files by it
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	partSuffix = ".part"
	etagSuffix = ".part.etag"
)

// ErrChecksum says that a file arrived with other contents than the hub
// promised. It is not kept.
var ErrChecksum = errors.New("registry: wrong checksum")

// puller brings the files of one model.
type puller struct {
	hub      Hub
	name     Name
	dir      string
	progress func(Progress)

	done, total int64
}

// checksum returns the hash that a file should have, and the hash function,
// begun.
func (f remote) checksum() (want string, h hash.Hash) {
	if f.LFS != nil {
		return strings.TrimPrefix(f.LFS.OID, "sha256:"), sha256.New()
	}
	h = sha1.New() //nolint:gosec // as git does
	_, _ = fmt.Fprintf(h, "blob %d\x00", f.Size)
	return f.OID, h
}

// here says whether a path holds the file already.
func (f remote) here(path string) bool {
	info, err := os.Stat(path)
	if err != nil || info.Size() != f.Size {
		return false
	}
	in, err := os.Open(path)
	if err != nil {
		return false
	}
	defer in.Close() //nolint:errcheck // only read
	want, sum := f.checksum()
	_, err = io.Copy(sum, in)
	return err == nil && (want == "" || hex.EncodeToString(sum.Sum(nil)) == want)
}

// file brings one file, unless it is here already.
func (p *puller) file(ctx context.Context, f remote) error {
	to := filepath.Join(p.dir, filepath.FromSlash(f.Path))
	if f.here(to) {
		p.done += f.Size
		p.tell(f)
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	if err := p.persist(ctx, f, to+partSuffix, to+etagSuffix); err != nil {
		return err
	}
	if err := os.Rename(to+partSuffix, to); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	_ = os.Remove(to + etagSuffix)
	return nil
}

// persist transfers a file. A line that breaks again and again is no reason to
// give up while bytes come; bytes that were here before and turn out wrong are
// fetched anew, once.
func (p *puller) persist(ctx context.Context, f remote, part, etagFile string) error {
	begun, old := p.done, fileSize(part)
	for {
		before := fileSize(part)
		err := p.hub.retry(ctx, func() error {
			p.done = begun
			return p.transfer(ctx, f, part, etagFile)
		})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrChecksum) && old > 0:
			old = 0
		case !worthwhile(err) || fileSize(part) <= before:
			return err
		}
	}
}

// fileSize is 0 for what is not there.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (p *puller) tell(f remote) {
	if p.progress != nil {
		p.progress(Progress{f.Path, p.done, p.total})
	}
}

// transfer fetches what is missing of a file and checks the whole.
func (p *puller) transfer(ctx context.Context, f remote, part, etagFile string) error {
	want, sum := f.checksum()
	out, have, err := resume(part, f.Size, sum)
	if err != nil {
		return err
	}
	defer out.Close() //nolint:errcheck // closed below where it counts
	if have < f.Size {
		if have, err = p.fetch(ctx, f, out, have, etagFile, &sum); err != nil {
			return err
		}
	} else {
		p.done += have
		p.tell(f)
	}
	if have != f.Size {
		return fmt.Errorf("registry: %s: %d bytes came, want %d: %w", f.Path, have, f.Size, io.ErrUnexpectedEOF)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); want != "" && got != want {
		return errors.Join(fmt.Errorf("%w: %s is %s, want %s", ErrChecksum, f.Path, got, want), os.Remove(part))
	}
	return nil
}

// resume opens a partial file and hashes what it has.
func resume(part string, size int64, sum hash.Hash) (*os.File, int64, error) {
	out, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, 0, fmt.Errorf("registry: %w", err)
	}
	info, err := out.Stat()
	if err == nil && info.Size() > size {
		err = out.Truncate(0)
	}
	var have int64
	if err == nil {
		have, err = io.Copy(sum, out)
	}
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("registry: %w", err), out.Close())
	}
	return out, have, nil
}

// fetch appends to out, from the byte have on if the hub still has the same
// file, else from the beginning. sum is begun anew then.
func (p *puller) fetch(ctx context.Context, f remote, out *os.File, have int64, etagFile string, sum *hash.Hash) (int64, error) {
	header := http.Header{}
	if have > 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(have, 10)+"-")
		if etag, err := os.ReadFile(etagFile); err == nil && len(etag) > 0 {
			header.Set("If-Range", string(etag))
		}
	}
	where := p.hub.file(p.name, f.Path)
	watch := p.watch(ctx)
	defer watch.stop()
	resp, err := p.hub.get(watch.ctx, where, header)
	if err != nil {
		return have, watch.cause(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	switch {
	case resp.StatusCode == http.StatusOK:
		have = 0
		_, *sum = f.checksum()
		if err := rewind(out); err != nil {
			return 0, err
		}
	case resp.StatusCode == http.StatusPartialContent && have > 0:
		if r := resp.Header.Get("Content-Range"); !strings.HasPrefix(r, fmt.Sprintf("bytes %d-", have)) {
			return have, fmt.Errorf("%w: %s: range %q after %d bytes", errRefused, where, r, have)
		}
	default:
		return have, statusError(resp, where)
	}
	if etag := resp.Header.Get("ETag"); etag != "" && !strings.HasPrefix(etag, "W/") {
		if err := os.WriteFile(etagFile, []byte(etag), 0o644); err != nil {
			return have, fmt.Errorf("registry: %w", err)
		}
	}
	p.done += have
	n, err := io.Copy(io.MultiWriter(out, *sum, counter{p, f, watch}), io.LimitReader(prompt{watch.ctx, resp.Body}, f.Size-have+1))
	have += n
	if err != nil {
		return have, fmt.Errorf("registry: %s: %w", f.Path, watch.cause(err))
	}
	if have > f.Size {
		return have, errors.Join(fmt.Errorf("%w: %s is longer than the %d bytes that its listing says", ErrChecksum, f.Path, f.Size), rewind(out))
	}
	return have, nil
}

func rewind(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	return nil
}

// errStalled says that nothing came for too long.
var errStalled = errors.New("registry: the hub sends nothing any more")

// watch ends a request that stalls.
type watch struct {
	ctx   context.Context //nolint:containedctx // of one request, and ends with it
	end   context.CancelCauseFunc
	timer *time.Timer
	stall time.Duration
}

func (p *puller) watch(ctx context.Context) *watch {
	w := &watch{stall: p.hub.Stall}
	if w.stall == 0 {
		w.stall = time.Minute
	}
	w.ctx, w.end = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(w.stall, func() { w.end(errStalled) })
	return w
}

func (w *watch) stop() {
	w.timer.Stop()
	w.end(nil)
}

// cause returns why a request ended: the stall, if it was that.
func (w *watch) cause(err error) error {
	if errors.Is(context.Cause(w.ctx), errStalled) {
		return errStalled
	}
	return err
}

// prompt reads until its context ends: a body goes on for as long as what has
// come already lasts.
type prompt struct {
	ctx context.Context //nolint:containedctx // of one request, and ends with it
	io.Reader
}

func (p prompt) Read(b []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	return p.Reader.Read(b)
}

// counter tells the progress of what passes.
type counter struct {
	p *puller
	f remote
	w *watch
}

func (c counter) Write(b []byte) (int, error) {
	c.w.timer.Reset(c.w.stall)
	c.p.done += int64(len(b))
	c.p.tell(c.f)
	return len(b), nil
}
