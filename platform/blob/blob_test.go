package blob_test

import (
	"errors"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kuai/fault"
	"kuai/platform/blob"
	"kuai/platform/blob/blobtest"
)

func dir(t *testing.T, root string) *blob.Dir {
	t.Helper()
	d, err := blob.NewDir(root, &blob.Signer{Base: "https://h/blobs/", Keys: []blob.Key{{ID: "a", Secret: []byte("secret")}}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDir(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Store { t.Helper(); return dir(t, t.TempDir()) })
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestFullDisk fills a small disk: nothing half written stays, and what fits
// can be stored afterwards.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=1m", "kuai-test", root).CombinedOutput(); err != nil {
		t.Skipf("no small disk can be mounted here, which takes root: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", root).Run() }) // the test's context is done by then
	d := dir(t, root)
	if _, err := d.Put(t.Context(), io.LimitReader(zeros{}, 8<<20), 1<<30); !errors.Is(err, blob.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if left, err := os.ReadDir(filepath.Join(root, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("%d files are left over, %v", len(left), err)
	}
	for i, err := range d.List(t.Context(), "") {
		t.Errorf("%+v, %v is there", i, err)
	}
	if _, err := d.Put(t.Context(), io.LimitReader(zeros{}, 512<<10), 1<<30); err != nil {
		t.Errorf("what fits: %v", err)
	}
}

// TestClean removes what a killed process left.
func TestClean(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := dir(t, root)
	left := filepath.Join(root, "tmp", "put-1")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Clean(time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Errorf("a fresh one is gone: %v", err)
	}
	if err := d.Clean(-time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("an old one is still there")
	}
}

func TestSigner(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	s := &blob.Signer{Base: "https://h/blobs", Keys: []blob.Key{{"new", []byte("1")}, {"old", []byte("2")}}, Now: func() time.Time { return now }}
	old := &blob.Signer{Base: s.Base, Keys: s.Keys[1:], Now: s.Now}
	hash := strings.Repeat("ab", 32)
	link := blob.Link{Name: "狐狸.webm", Type: "video/webm", Expires: time.Minute, Inline: true}
	parse := func(address string) url.Values {
		u, err := url.Parse(address)
		if err != nil || u.Path != "/blobs/"+hash {
			t.Fatalf("%s: %v", address, err)
		}
		return u.Query()
	}
	for _, signer := range []*blob.Signer{s, old} {
		if got, err := s.Check(hash, parse(signer.Sign(hash, link))); err != nil || got != link {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	for name, f := range map[string]func(url.Values){
		"a later expiry": func(q url.Values) { q.Set("e", "99999") },
		"another type":   func(q url.Values) { q.Set("t", "text/html") },
		"another name":   func(q url.Values) { q.Set("n", "x") },
		"moved bytes":    func(q url.Values) { q.Set("n", q.Get("n")+"v"); q.Set("t", "ideo/webm") },
		"another key":    func(q url.Values) { q.Set("k", "old") },
		"no key":         func(q url.Values) { q.Set("k", "none") },
		"no signature":   func(q url.Values) { q.Del("s") },
		"no expiry":      func(q url.Values) { q.Del("e") },
		"attachment":     func(q url.Values) { q.Del("i") },
	} {
		q := parse(s.Sign(hash, link))
		f(q)
		if _, err := s.Check(hash, q); fault.From(err).Code != fault.Forbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
	q := parse(s.Sign(hash, link))
	if _, err := s.Check(strings.Repeat("cd", 32), q); err == nil {
		t.Error("other bytes were given away")
	}
	now = now.Add(time.Minute)
	if _, err := s.Check(hash, q); fault.From(err).Code != fault.Forbidden {
		t.Errorf("expired: %v", err)
	}
}

func TestDisposition(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"":           "attachment",
		"a.webm":     "attachment; filename=a.webm",
		"a b\"c.mp4": `attachment; filename="a b\"c.mp4"`,
		"a\r\nb/..":  "attachment; filename=a__b_..",
		"狐狸":         "attachment; filename*=utf-8''%E7%8B%90%E7%8B%B8",
	} {
		if got := blob.Disposition(name, false); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	s := &blob.Signer{Keys: []blob.Key{{"a", []byte("1")}}}
	u, err := url.Parse(s.Sign(strings.Repeat("ab", 32), blob.Link{Name: "n", Expires: time.Hour}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(strings.Repeat("ab", 32), u.RawQuery)
	f.Add("", "e=1&k=a&s=")
	good := u.Query().Get("s")
	f.Fuzz(func(t *testing.T, hash, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		if l, err := s.Check(hash, q); err == nil && q.Get("s") != good {
			t.Errorf("%s?%s was taken as %+v", hash, query, l)
		}
	})
}
