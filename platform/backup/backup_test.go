package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	memory "kuai/character/backup"
	"kuai/character/persona"
	"kuai/format/sealed"
	"kuai/platform"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/file"
	"kuai/platform/ledger"
	"kuai/platform/money"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// town is a platform on a machine.
type town struct {
	data string
	Place
}

func newTown(t *testing.T) town {
	t.Helper()
	data := t.TempDir()
	blobs, err := platform.OpenBlobs(t.Context(), filepath.Join(data, "jobs"), "")
	must(t, err)
	characters := filepath.Join(data, "characters")
	return town{data, Place{
		Data: data, Blobs: blobs,
		Memory: memory.Roots{Threads: filepath.Join(characters, "threads"), People: filepath.Join(characters, "people"), Cards: filepath.Join(characters, "cards")},
	}}
}

func (w town) path() string { return filepath.Join(w.data, "kuai.db") }

func (w town) open(t *testing.T) *platform.Platform {
	t.Helper()
	p, err := platform.Open(t.Context(), platform.Options{Database: w.path()})
	must(t, err)
	return p
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// live gives a platform money, files, a persona and small files, and returns
// one of the files.
func (w town) live(t *testing.T, p *platform.Platform) file.File {
	t.Helper()
	files := file.New(file.Options{DB: p.DB, Blobs: w.Blobs})
	var f file.File
	for i := range 3 {
		var err error
		f, err = files.Create(t.Context(), file.Upload{Org: p.Home.Org, Name: "x", Purpose: "user_data"}, strings.NewReader(fmt.Sprint("file ", i)))
		must(t, err)
	}
	must(t, topUp(t.Context(), p, 5*money.Unit))
	_, err := (persona.Store{Dir: w.Memory.People}).Add("me", persona.Persona{Name: "Ada"})
	must(t, err)
	write(t, filepath.Join(w.data, "links.key"), "secret")
	write(t, filepath.Join(w.data, "kuai.yaml"), "serve:\n  threads: 3\n")
	write(t, filepath.Join(w.data, "files", "7.bin"), "upload")
	write(t, filepath.Join(w.data, "files", "7.json"), `{"id":7}`)
	write(t, filepath.Join(w.data, "files", "8.json"), `{"id":8}`) // being deleted
	write(t, filepath.Join(w.data, "models", "large.gguf"), "left out")
	return f
}

func topUp(ctx context.Context, p *platform.Platform, amount money.Amount) error {
	return p.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := p.Ledger.TopUp(ctx, tx, ledger.Change{Org: p.Home.Org, Amount: amount, Actor: "test"})
		return err
	})
}

func read(t *testing.T, w town, p *platform.Platform, f file.File) string {
	t.Helper()
	files := file.New(file.Options{DB: p.DB, Blobs: w.Blobs})
	got, err := files.Get(t.Context(), p.Home.Org, f.ID)
	must(t, err)
	r, err := w.Blobs.Get(t.Context(), got.SHA256, 0, -1)
	must(t, err)
	defer r.Close() //nolint:errcheck // was only read
	text, err := io.ReadAll(r)
	must(t, err)
	return string(text)
}

// TestBackup copies a platform at work, and puts it back on another machine and
// in the place of what is there.
func TestBackup(t *testing.T) {
	t.Parallel()
	w, dir := newTown(t), filepath.Join(t.TempDir(), "copy")
	p := w.open(t)
	f := w.live(t, p)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			err = topUp(context.WithoutCancel(ctx), p, 1)
		}
		done <- err
	}()
	m, err := Save(t.Context(), p.DB, w.Place, dir, time.Now())
	stop()
	must(t, errors.Join(err, <-done))
	if m.Blobs != 3 || len(m.Users) != 1 || len(m.Warnings) != 0 {
		t.Errorf("%+v", m)
	}
	if _, err := Save(t.Context(), p.DB, w.Place, dir, time.Now()); !errors.Is(err, sealed.ErrNotEmpty) {
		t.Errorf("into a folder with something in it: %v", err)
	}
	if _, err := Restore(t.Context(), w.path(), w.Place, dir, true, time.Now()); !errors.Is(err, platform.ErrServing) {
		t.Errorf("while a server works: %v", err)
	}
	must(t, p.Close())
	if _, err := Restore(t.Context(), w.path(), w.Place, dir, false, time.Now()); !errors.Is(err, ErrExists) {
		t.Errorf("over what is there: %v", err)
	}
	for _, to := range []town{newTown(t), w} {
		_, err := Restore(t.Context(), to.path(), to.Place, dir, to.data == w.data, time.Now())
		must(t, err)
		back := to.open(t)
		if got := read(t, to, back, f); got != "file 2" {
			t.Errorf("the file has %q", got)
		}
		report, err := ledger.Audit(t.Context(), back.DB, time.Now())
		if err != nil || !report.OK() {
			t.Errorf("audit: %+v, %v", report, err)
		}
		must(t, back.Close())
		if _, err := (persona.Store{Dir: to.Memory.People}).Get("me", "ada"); err != nil {
			t.Error(err)
		}
		for name, want := range map[string]bool{"links.key": true, "kuai.yaml": true, "files/7.bin": true, "files/7.json": true} {
			if _, err := os.Stat(filepath.Join(to.data, name)); (err == nil) != want {
				t.Errorf("%s: %v", name, err)
			}
		}
		old, err := filepath.Glob(to.path() + ".replaced-*")
		if err != nil || (len(old) > 0) != (to.data == w.data) {
			t.Errorf("the database before: %v, %v", old, err)
		}
	}
	for _, gone := range []string{"data/models", "data/files/8.json"} {
		if _, err := os.Stat(filepath.Join(dir, gone)); err == nil {
			t.Errorf("%s is in the backup", gone)
		}
	}
}

// TestMissing copies a platform that has lost bytes already, and says so.
func TestMissing(t *testing.T) {
	t.Parallel()
	w, dir := newTown(t), filepath.Join(t.TempDir(), "copy")
	p := w.open(t)
	f := w.live(t, p)
	must(t, w.Blobs.Delete(t.Context(), f.SHA256))
	m, err := Save(t.Context(), p.DB, w.Place, dir, time.Now())
	must(t, err)
	must(t, p.Close())
	if len(m.Missing) != 1 || len(m.Warnings) != 1 || m.Blobs != 3 {
		t.Errorf("%+v", m)
	}
	to := newTown(t)
	if _, err := Restore(t.Context(), to.path(), to.Place, dir, false, time.Now()); err != nil {
		t.Error(err)
	}
}

// TestDamage spoils a backup in many ways: each is refused, and nothing is
// restored.
func TestDamage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(dir string, f file.File) error
		want  string
	}{
		"no manifest":      {func(dir string, _ file.File) error { return os.Remove(filepath.Join(dir, sealed.ManifestFile)) }, "no manifest"},
		"half a manifest":  {func(dir string, _ file.File) error { return os.Truncate(filepath.Join(dir, sealed.ManifestFile), 80) }, "not JSON"},
		"database changed": {func(dir string, _ file.File) error { return flip(filepath.Join(dir, database), 5000) }, "kuai.db is not what was written"},
		"database cut":     {func(dir string, _ file.File) error { return os.Truncate(filepath.Join(dir, database), 8192) }, "kuai.db has 8192 bytes"},
		"no database":      {func(dir string, _ file.File) error { return os.Remove(filepath.Join(dir, database)) }, "kuai.db is missing"},
		"key changed":      {func(dir string, _ file.File) error { return flip(filepath.Join(dir, dataDir, "links.key"), 2) }, "data/links.key is not"},
		"blob changed":     {func(dir string, f file.File) error { return flip(blobPath(dir, f), 2) }, "is not what was stored"},
		"blob longer": {func(dir string, f file.File) error {
			return os.WriteFile(blobPath(dir, f), []byte("file 2 and more"), 0o600)
		}, "more bytes"},
		"blob missing": {func(dir string, f file.File) error { return os.Remove(blobPath(dir, f)) }, "is missing"},
		"memory lost": {func(dir string, _ file.File) error {
			return os.RemoveAll(filepath.Join(dir, usersDir, "me", "personas"))
		}, "memory/me: personas/ada.json is missing"},
		"user lost":     {func(dir string, _ file.File) error { return os.RemoveAll(filepath.Join(dir, usersDir)) }, "memory/me/manifest.json is missing"},
		"added":         {func(dir string, _ file.File) error { return os.WriteFile(filepath.Join(dir, "x"), nil, 0o600) }, "x was not written with it"},
		"named outside": {func(dir string, _ file.File) error { return rename(dir, "data/links.key", "data/../../links.key") }, "does not belong"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, dir := newTown(t), filepath.Join(t.TempDir(), "copy")
			p := w.open(t)
			f := w.live(t, p)
			_, err := Save(t.Context(), p.DB, w.Place, dir, time.Now())
			must(t, errors.Join(err, p.Close()))
			must(t, c.spoil(dir, f))
			to := newTown(t)
			if _, err := Restore(t.Context(), to.path(), to.Place, dir, false, time.Now()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if _, err := os.Stat(to.path()); err == nil {
				t.Error("a database was restored")
			}
		})
	}
}

func blobPath(dir string, f file.File) string {
	return filepath.Join(dir, blobsDir, f.SHA256[:2], f.SHA256[2:4], f.SHA256)
}

// flip changes a bit.
func flip(path string, at int64) error {
	data, err := os.ReadFile(path)
	if err == nil {
		data[at] ^= 1
		err = os.WriteFile(path, data, 0o600)
	}
	return err
}

// rename changes a name in the manifest.
func rename(dir, from, to string) error {
	path := filepath.Join(dir, sealed.ManifestFile)
	data, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.Replace(string(data), from, to, 1)), 0o600)
	}
	return err
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		if d.Dialect() != db.Postgres {
			return
		}
		dir := filepath.Join(t.TempDir(), "copy")
		if _, err := Save(t.Context(), d, Place{}, dir, time.Now()); !errors.Is(err, db.ErrNoCopy) {
			t.Errorf("got %v", err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Error("a folder was made")
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format":"kuai platform backup 1","users":["me"],"files":[{"path":"data/links.key","bytes":3},{"path":"kuai.db"}]}`))
	f.Add([]byte(`{"format":"kuai platform backup 1","users":["../x"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		for _, u := range m.Users {
			if !filepath.IsLocal(u) || strings.ContainsAny(u, "/.") {
				t.Errorf("a user %q", u)
			}
		}
		for _, x := range m.Files {
			if belongs(x.Path) && !filepath.IsLocal(filepath.FromSlash(x.Path)) {
				t.Errorf("%q belongs", x.Path)
			}
		}
	})
}
