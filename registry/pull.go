package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"kuai/format/gguf"
)

const (
	// DefaultHub is where models come from unless KUAI_HUB or HF_ENDPOINT says
	// otherwise.
	DefaultHub = "https://huggingface.co"

	maxListing = 16 << 20 // bytes of a page of a repository's listing
	maxFiles   = 10_000
	maxPages   = 100
	maxAfter   = 2 * time.Minute // is waited when the hub asks for it
)

// Hub is where models are pulled from. The zero value is DefaultHub.
type Hub struct {
	URL    string
	Token  string        // sent as a bearer token to the hub itself
	Client *http.Client  // nil: one that waits a minute for an answer to begin
	Pause  time.Duration // before the first retry, doubled for each further one; 0: a second
	Stall  time.Duration // without a byte, after which a transfer is begun again; 0: a minute
}

// Progress tells how far a pull is.
type Progress struct {
	File        string
	Done, Total int64 // bytes of all files
}

// StatusError is an answer of the hub that is no success.
type StatusError struct {
	Status int
	URL    string
	After  time.Duration // the hub asks not to come back before; 0: it says nothing
}

// statusError makes the error of an answer.
func statusError(resp *http.Response, where string) *StatusError {
	e := &StatusError{Status: resp.StatusCode, URL: where}
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
		e.After = min(time.Duration(min(n, 1<<20))*time.Second, maxAfter)
	}
	return e
}

// Error says what the status means here.
func (e *StatusError) Error() string {
	why := map[int]string{
		http.StatusUnauthorized:    "it wants a token; set HF_TOKEN",
		http.StatusForbidden:       "this token may not; accept the model's licence on its page, or set another HF_TOKEN",
		http.StatusNotFound:        "there is no such model, revision or file",
		http.StatusTooManyRequests: "too many requests; try again later",
	}[e.Status]
	if why == "" {
		why = http.StatusText(e.Status)
	}
	return fmt.Sprintf("registry: %s: %d: %s", e.URL, e.Status, why)
}

// remote is a file of a repository.
type remote struct {
	Type string `json:"type"`
	Path string `json:"path"`
	Size int64  `json:"size"`
	OID  string `json:"oid"` // SHA-1 of a git blob
	LFS  *struct {
		OID  string `json:"oid"` // SHA-256 of the contents
		Size int64  `json:"size"`
	} `json:"lfs"`
}

// Pull brings a model here and returns its path. What was there already is not
// fetched again, and what was begun goes on; files are checked against the
// hub's checksums. progress, which may be nil, is called from this goroutine.
//
// It fails with ErrName, a *StatusError, ErrChecksum, what a full disk says, or
// the cause of ctx.
func (r Registry) Pull(ctx context.Context, h Hub, name string, progress func(Progress)) (string, error) {
	n, err := ParseName(name)
	if err != nil {
		return "", err
	}
	h.Client = h.client() // one for all requests: it keeps connections
	files, err := h.list(ctx, n)
	if err != nil {
		return "", err
	}
	files, err = choose(files, n)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(r.Dir, filepath.FromSlash(n.Repo))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("registry: %w", err)
	}
	lock := flock.New(filepath.Join(dir, ".lock"))
	if got, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil || !got {
		return "", fmt.Errorf("registry: %s: %w", dir, err)
	}
	defer lock.Unlock() //nolint:errcheck // the process's end unlocks too
	p := puller{hub: h, name: n, dir: dir, progress: progress}
	for _, f := range files {
		p.total += f.Size
	}
	for _, f := range files {
		if err := p.file(ctx, f); err != nil {
			return "", err
		}
	}
	if last := files[len(files)-1]; strings.HasSuffix(last.Path, ".gguf") {
		return filepath.Join(dir, filepath.FromSlash(last.Path)), nil
	}
	return dir, nil
}

func (h Hub) base() string {
	if h.URL == "" {
		return DefaultHub
	}
	return strings.TrimRight(h.URL, "/")
}

func (h Hub) client() *http.Client {
	if h.Client != nil {
		return h.Client
	}
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultClient
	}
	t = t.Clone()
	t.ResponseHeaderTimeout = time.Minute
	return &http.Client{Transport: t}
}

// get asks for a URL of the hub.
func (h Hub) get(ctx context.Context, where string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	maps.Copy(req.Header, header)
	req.Header.Set("User-Agent", "kuai")
	if h.Token != "" {
		req.Header.Set("Authorization", "Bearer "+h.Token) // not sent on to other hosts
	}
	resp, err := h.client().Do(req)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	return resp, nil
}

// list returns the files of a repository.
func (h Hub) list(ctx context.Context, n Name) ([]remote, error) {
	next := fmt.Sprintf("%s/api/models/%s/tree/%s?recursive=true", h.base(), n.Repo, url.PathEscape(n.Revision))
	var all []remote
	for range maxPages {
		page, more, err := h.page(ctx, next)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if more == "" || len(all) > maxFiles {
			break
		}
		next = more
	}
	var files []remote
	for _, f := range all {
		if f.Type != "file" {
			continue
		}
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || path.Clean(f.Path) != f.Path || f.Size < 0 {
			return nil, fmt.Errorf("registry: %s lists a file %q of %d bytes, which cannot be", n.Repo, f.Path, f.Size)
		}
		if f.LFS != nil {
			f.Size = f.LFS.Size
		}
		files = append(files, f)
	}
	return files, nil
}

// page reads a page of the listing, and where the next one is.
func (h Hub) page(ctx context.Context, where string) (files []remote, next string, err error) {
	err = h.retry(ctx, func() error {
		resp, err := h.get(ctx, where, nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close() //nolint:errcheck // only read
		if resp.StatusCode != http.StatusOK {
			return statusError(resp, where)
		}
		data, err := io.ReadAll(io.LimitReader(resp.Body, maxListing))
		if err != nil {
			return fmt.Errorf("registry: %s: %w", where, err)
		}
		if err := json.Unmarshal(data, &files); err != nil {
			return fmt.Errorf("registry: %s: %w", where, err)
		}
		next = nextLink(resp.Header.Get("Link"), h.base())
		return nil
	})
	return files, next, err
}

// file is where a file of a model is.
func (h Hub) file(n Name, path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return fmt.Sprintf("%s/%s/resolve/%s/%s", h.base(), n.Repo, url.PathEscape(n.Revision), strings.Join(parts, "/"))
}

// nextLink finds the next page in a Link header; only the same hub's is
// followed.
func nextLink(link, base string) string {
	for l := range strings.SplitSeq(link, ",") {
		target, rel, ok := strings.Cut(strings.TrimSpace(l), ";")
		if ok && strings.Contains(rel, `rel="next"`) {
			target = strings.Trim(target, "<> ")
			if strings.HasPrefix(target, base+"/") {
				return target
			}
		}
	}
	return ""
}

// retries of a request that may succeed later.
const retries = 5

// retry calls f until it succeeds, with growing pauses, unless trying again
// cannot help.
func (h Hub) retry(ctx context.Context, f func() error) error {
	pause := h.Pause
	if pause == 0 {
		pause = time.Second
	}
	for i := 0; ; i++ {
		err := f()
		if err == nil || i == retries || !worthwhile(err) {
			return err
		}
		wait := pause << i
		if status, ok := errors.AsType[*StatusError](err); ok {
			wait = max(wait, status.After)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// worthwhile says whether an error may go away.
func worthwhile(err error) bool {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.Status == http.StatusTooManyRequests || status.Status == http.StatusRequestTimeout || status.Status >= 500
	}
	if host, ok := errors.AsType[*net.DNSError](err); ok && host.IsNotFound {
		return false
	}
	var local *os.PathError
	return !errors.As(err, &local) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) &&
		!errors.Is(err, ErrChecksum) && !errors.Is(err, errRefused) && !errors.Is(err, syscall.ECONNREFUSED)
}

// errRefused marks answers that make no sense, which another try would repeat.
var errRefused = errors.New("registry: the hub's answer makes no sense")

// usualWeights are the weights that transformers would take, where a
// repository has others beside them.
var usualWeights = regexp.MustCompile(`^model(-\d{5}-of-\d{5})?\.safetensors$`)

// choose picks the files that a model needs. config.json comes last: without
// it a directory is no model yet.
func choose(files []remote, n Name) ([]remote, error) {
	var ggufs, weights, rest, config []remote
	for _, f := range files {
		switch {
		case strings.HasSuffix(f.Path, ".gguf"):
			ggufs = append(ggufs, f)
		case strings.HasSuffix(f.Path, ".safetensors") && !strings.Contains(f.Path, "/"):
			weights = append(weights, f)
		case f.Path == "config.json":
			config = append(config, f)
		case slices.Contains(companions, f.Path):
			rest = append(rest, f)
		}
	}
	if n.Pick != "" {
		return pickGGUF(ggufs, n)
	}
	if len(weights) > 0 {
		if slices.ContainsFunc(weights, func(f remote) bool { return usualWeights.MatchString(f.Path) }) {
			weights = slices.DeleteFunc(weights, func(f remote) bool { return !usualWeights.MatchString(f.Path) })
		}
		return slices.Concat(rest, weights, config), nil
	}
	if set := oneModel(ggufs); set != nil {
		return set, nil
	}
	for _, usual := range []string{"Q4_K_M", "Q8_0", "Q4_0"} {
		if picked, err := pickGGUF(ggufs, Name{n.Repo, usual, n.Revision}); err == nil {
			return picked, nil
		}
	}
	return nil, fmt.Errorf("%w: %s has no model to take by itself; %s", ErrName, n.Repo, offered(ggufs))
}

// companions are the files beside the weights of a Hugging Face directory.
var companions = []string{
	"generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
	"chat_template.jinja", "chat_template.json", "model.safetensors.index.json", "LICENSE", "README.md",
}

// oneModel says whether files are one model: one file, or all parts of one. The
// first part comes last: without it the others are no model yet.
func oneModel(ggufs []remote) []remote {
	if len(ggufs) == 1 {
		if _, _, parts, ok := gguf.PartOf(ggufs[0].Path); ok && parts > 1 {
			return nil
		}
		return ggufs
	}
	set := slices.Clone(ggufs)
	slices.SortFunc(set, func(a, b remote) int { return strings.Compare(b.Path, a.Path) })
	for i, f := range set {
		name, part, parts, ok := gguf.PartOf(f.Path)
		first, _, _, _ := gguf.PartOf(set[0].Path)
		if !ok || name != first || parts != len(set) || part != parts-i {
			return nil
		}
	}
	if len(set) == 0 {
		return nil
	}
	return set
}

// pickGGUF finds the one model that a name's pick means.
func pickGGUF(ggufs []remote, n Name) ([]remote, error) {
	var fits []remote
	for _, f := range ggufs {
		name, _, _, part := gguf.PartOf(f.Path)
		if !part && (strings.EqualFold(f.Path, n.Pick) || strings.EqualFold(f.Path, n.Pick+".gguf")) {
			return []remote{f}, nil
		}
		if part && (strings.EqualFold(name, n.Pick) || strings.EqualFold(f.Path, n.Pick)) {
			all := slices.DeleteFunc(slices.Clone(ggufs), func(o remote) bool {
				other, _, _, ok := gguf.PartOf(o.Path)
				return !ok || other != name
			})
			if set := oneModel(all); set != nil {
				return set, nil
			}
		}
		if containsWord(strings.ToLower(f.Path), strings.ToLower(n.Pick)) {
			fits = append(fits, f)
		}
	}
	if set := oneModel(fits); set != nil {
		return set, nil
	}
	return nil, fmt.Errorf("%w: %d files of %s fit %q; %s", ErrName, len(fits), n.Repo, n.Pick, offered(ggufs))
}

// containsWord says whether a part stands in a name between signs: F16 is not
// in BF16.
func containsWord(name, part string) bool {
	letter := func(i int) bool {
		return i >= 0 && i < len(name) && (name[i] >= 'a' && name[i] <= 'z' || name[i] >= '0' && name[i] <= '9')
	}
	for at := 0; ; at++ {
		i := strings.Index(name[at:], part)
		if i < 0 {
			return false
		}
		at += i
		if !letter(at-1) && !letter(at+len(part)) {
			return true
		}
	}
}

// offered lists what could be picked.
func offered(ggufs []remote) string {
	const most = 20
	if len(ggufs) == 0 {
		return "it has neither safetensors nor GGUF files"
	}
	var names []string
	for _, f := range ggufs[:min(most, len(ggufs))] {
		names = append(names, f.Path)
	}
	return "it has " + strings.Join(names, ", ")
}
