package file

import (
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kuai/fault"
)

func isFault(err error, code fault.Code) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Code == code
}

func TestDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Put(t.Context(), File{Owner: "a", Name: "x.txt", Purpose: "user_data"}, strings.NewReader("hello"))
	if err != nil || f.Bytes != 5 || f.ID <= 0 || f.ID >= 1<<53 {
		t.Fatalf("%+v %v", f, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "7.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err = OpenDir(dir); err != nil { // again, beside a damaged one
		t.Fatal(err)
	}
	if _, _, err := d.Open(t.Context(), "b", f.ID); !isFault(err, fault.NotFound) {
		t.Errorf("another owner: %v", err)
	}
	_, r, err := d.Open(t.Context(), "a", f.ID)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if string(data) != "hello" || err != nil || r.Close() != nil {
		t.Errorf("%q %v", data, err)
	}
	if err := d.Delete(t.Context(), "b", f.ID); !isFault(err, fault.NotFound) {
		t.Errorf("another owner deletes: %v", err)
	}
	if all, err := d.List(t.Context(), "a"); len(all) != 1 || err != nil {
		t.Errorf("%v %v", all, err)
	}
	if err := d.Delete(t.Context(), "a", f.ID); err != nil {
		t.Error(err)
	}
	if all, err := d.List(t.Context(), "a"); len(all) != 0 || err != nil {
		t.Errorf("%v %v", all, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.bin")); len(left) != 0 {
		t.Errorf("%v stayed", left)
	}
}

// TestPutBroken checks that an upload that breaks off leaves nothing.
func TestPutBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("gone")
	if _, err := d.Put(t.Context(), File{Owner: "a"}, io.MultiReader(strings.NewReader("x"), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v stayed", left)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestLayers checks that old uploads are found, listed and deleted below new
// ones, and that nobody else finds them.
func TestLayers(t *testing.T) {
	t.Parallel()
	above, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	below, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	old, err := below.Put(t.Context(), File{Owner: "a", Name: "old"}, strings.NewReader("old"))
	if err != nil {
		t.Fatal(err)
	}
	l := Layers{Above: above, Below: below}
	recent, err := l.Put(t.Context(), File{Owner: "a", Name: "new"}, strings.NewReader("new"))
	if err != nil {
		t.Fatal(err)
	}
	if all, err := l.List(t.Context(), "a"); err != nil || len(all) != 2 {
		t.Errorf("%v %v", all, err)
	}
	for _, f := range []File{old, recent} {
		if got, r, err := l.Open(t.Context(), "a", f.ID); err != nil || got.Name != f.Name || r.Close() != nil {
			t.Errorf("%s: %+v %v", f.Name, got, err)
		}
		if _, err := l.Stat(t.Context(), "b", f.ID); !isFault(err, fault.NotFound) {
			t.Errorf("%s of another: %v", f.Name, err)
		}
		if err := l.Delete(t.Context(), "a", f.ID); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	if all, err := l.List(t.Context(), "a"); err != nil || len(all) != 0 {
		t.Errorf("after all were deleted: %v %v", all, err)
	}
}

func TestParseID(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"12", "file-12"} {
		if id, err := ParseID(s); id != 12 || err != nil {
			t.Errorf("%s: %d %v", s, id, err)
		}
	}
	for _, s := range []string{"", "file-", "-3", "x", "../1", "99999999999999999999"} {
		if _, err := ParseID(s); !isFault(err, fault.NotFound) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	key := []byte("the key of all nodes")
	l := LinksOf(key)
	now := time.Unix(1_800_000_000, 0)
	address, err := url.Parse(l.URL("https://host", "me", "video", "video_1", "clip.mp4", now.Add(time.Hour)))
	if err != nil || address.Path != "/v1/download/video/video_1/clip.mp4" {
		t.Fatalf("%v %v", address, err)
	}
	l = LinksOf(key) // of another node
	if owner, err := l.Check("video", "video_1", address.Query(), now); owner != "me" || err != nil {
		t.Errorf("%q %v", owner, err)
	}
	if _, err := l.Check("video", "video_1", address.Query(), now.Add(2*time.Hour)); !isFault(err, fault.Forbidden) {
		t.Errorf("after its time: %v", err)
	}
	if _, err := l.Check("video", "video_2", address.Query(), now); !isFault(err, fault.Forbidden) {
		t.Errorf("another id: %v", err)
	}
	q := address.Query()
	q.Set("of", "you")
	if _, err := l.Check("video", "video_1", q, now); !isFault(err, fault.Forbidden) {
		t.Errorf("another owner: %v", err)
	}
}
