package file_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/fault"
	"kuai/platform/blob"
	"kuai/platform/db"
	"kuai/platform/db/dbtest"
	"kuai/platform/file"
	"kuai/platform/job"
)

// fixture is a store whose clock tests set.
type fixture struct {
	*file.Store
	blobs *blob.Dir
	db    *db.DB
	now   time.Time
}

func open(t *testing.T, d *db.DB) *fixture {
	t.Helper()
	f := &fixture{db: d, now: time.Now()}
	signer := &blob.Signer{Base: "/blobs", Keys: []blob.Key{{ID: "k", Secret: []byte("s")}}, Now: func() time.Time { return f.now }}
	var err error
	if f.blobs, err = blob.NewDir(t.TempDir(), signer); err != nil {
		t.Fatal(err)
	}
	f.Store = file.New(file.Options{DB: d, Blobs: f.blobs, Signer: signer, MaxBytes: 100, OutputTTL: 48 * time.Hour, Now: func() time.Time { return f.now }})
	return f
}

func (f *fixture) create(t *testing.T, name, data string, expires time.Duration) file.File {
	t.Helper()
	out, err := f.Create(t.Context(), file.Upload{Org: "o", Project: "p", User: "u", Purpose: "test", Name: name, Type: "text/plain", Expires: expires}, strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (f *fixture) there(t *testing.T, hash string) bool {
	t.Helper()
	_, err := f.blobs.Stat(t.Context(), hash)
	return err == nil
}

func (f *fixture) sweep(t *testing.T) {
	t.Helper()
	for range 2 { // what one finds, the next may remove
		if err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := open(t, d)
		ctx := t.Context()
		a, b := f.create(t, "a.txt", "same", 0), f.create(t, "b.txt", "same", time.Hour)
		if a.SHA256 != b.SHA256 || a.ID == b.ID || a.ID >= 1<<53 || a.Bytes != 4 {
			t.Errorf("%+v and %+v", a, b)
		}
		for _, s := range []string{a.ID.String(), strings.TrimPrefix(a.ID.String(), "file-")} {
			id, err := file.ParseID(s)
			if err != nil || id != a.ID {
				t.Errorf("%s is read as %d, %v", s, id, err)
			}
		}
		got, err := f.Get(ctx, "o", a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, got); diff != "" {
			t.Errorf("(-stored +read):\n%s", diff)
		}
		_, err = f.Get(ctx, "other", a.ID)
		wantCode(t, err, fault.NotFound)
		wantCode(t, f.Delete(ctx, "other", a.ID), fault.NotFound)

		if err := f.Delete(ctx, "o", a.ID); err != nil {
			t.Fatal(err)
		}
		wantCode(t, f.Delete(ctx, "o", a.ID), fault.NotFound)
		f.now = f.now.Add(30 * time.Minute)
		f.sweep(t)
		if !f.there(t, b.SHA256) {
			t.Error("bytes are gone that another file has")
		}
		f.now = f.now.Add(time.Hour)
		_, err = f.Get(ctx, "o", b.ID)
		wantCode(t, err, fault.NotFound) // expired, before any sweep
		f.sweep(t)
		if !f.there(t, b.SHA256) {
			t.Error("bytes are gone within the time of grace")
		}
		f.now = f.now.Add(25 * time.Hour)
		f.sweep(t)
		if f.there(t, b.SHA256) {
			t.Error("bytes are there that nobody has")
		}
	})
}

func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if err == nil || fault.From(err).Code != code {
		t.Errorf("%v, want %s", err, code)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := open(t, d)
		var want []file.ID
		for i := range 5 {
			f.now = f.now.Add(time.Second)
			want = append(want, f.create(t, "x", strings.Repeat("x", i), 0).ID)
		}
		var got []file.ID
		for after := file.ID(0); ; after = got[len(got)-1] {
			page, more, err := f.List(t.Context(), file.Filter{Org: "o", Purpose: "test", After: after, Limit: 2, OldestFirst: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range page {
				got = append(got, p.ID)
			}
			if !more {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages (-want +got):\n%s", diff)
		}
		newest, _, err := f.List(t.Context(), file.Filter{Limit: 1})
		if err != nil || newest[0].ID != want[4] {
			t.Errorf("the newest: %+v, %v", newest, err)
		}
		none, _, err := f.List(t.Context(), file.Filter{Purpose: "other"})
		if err != nil || len(none) != 0 {
			t.Errorf("%+v, %v", none, err)
		}
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := open(t, dbtest.Open(t, dbtest.SQLite(t)))
	for name, u := range map[string]file.Upload{
		"no name":      {},
		"a long name":  {Name: strings.Repeat("x", 256)},
		"a zero byte":  {Name: "a\x00"},
		"negative age": {Name: "a", Expires: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := f.Create(t.Context(), u, strings.NewReader(""))
			wantCode(t, err, fault.Invalid)
		})
	}
	_, err := f.Create(t.Context(), file.Upload{Name: "a"}, strings.NewReader(strings.Repeat("x", 101)))
	wantCode(t, err, fault.TooLarge)
	for _, s := range []string{"", "file-", "-1", "0", "9007199254740992", "1e3", "../1"} {
		_, err := file.ParseID(s)
		wantCode(t, err, fault.NotFound)
	}
}

// TestOutputs makes files of what a job made, and sweeps what an attempt left
// that never finished.
func TestOutputs(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		t.Helper()
		f := open(t, d)
		ctx := t.Context()
		put := func(data string) job.Output {
			n, hash, err := f.Put(ctx, strings.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			return job.Output{Name: data + ".webm", Type: "video/webm", Bytes: n, SHA256: hash}
		}
		orphan, outs := put("orphan"), []job.Output{put("one"), put("two")}
		commit := func(outs []job.Output) error {
			return d.Tx(ctx, func(tx *db.Tx) error { return f.Commit(ctx, tx, job.Job{ID: "job_1", Org: "o"}, outs) })
		}
		if err := commit(outs); err != nil {
			t.Fatal(err)
		}
		files, _, err := f.List(ctx, file.Filter{Job: "job_1", OldestFirst: true})
		if err != nil || len(files) != 2 {
			t.Fatalf("%+v, %v", files, err)
		}
		id, err := file.ParseID(outs[0].File)
		if err != nil {
			t.Fatal(err)
		}
		one, err := f.Get(ctx, "o", id)
		if err != nil || one.Name != "one.webm" || one.Purpose != file.OutputPurpose || !one.Expires.Equal(one.Created.Add(48*time.Hour)) {
			t.Errorf("%+v, %v", one, err)
		}
		f.now = f.now.Add(25 * time.Hour)
		f.sweep(t)
		if f.there(t, orphan.SHA256) || !f.there(t, one.SHA256) {
			t.Error("the orphan is there, or a file's bytes are not")
		}
		if err := commit([]job.Output{orphan}); err == nil {
			t.Error("a file was made of bytes that are gone")
		}
		if err := d.Tx(ctx, func(tx *db.Tx) error { return f.DeleteOf(ctx, tx, "job_1") }); err != nil {
			t.Fatal(err)
		}
		if left, _, err := f.List(ctx, file.Filter{Job: "job_1"}); err != nil || len(left) != 0 {
			t.Errorf("%+v, %v", left, err)
		}
	})
}

// TestServe reads files over HTTP, by their owner and by signed addresses.
func TestServe(t *testing.T) {
	t.Parallel()
	f := open(t, dbtest.Open(t, dbtest.SQLite(t)))
	a := f.create(t, "狐狸.txt", "0123456789", 0)
	mux := http.NewServeMux()
	mux.HandleFunc("/mine", func(w http.ResponseWriter, r *http.Request) {
		if err := f.Serve(w, r, a, false); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("/blobs/{hash}", func(w http.ResponseWriter, r *http.Request) {
		if err := f.ServeSigned(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	})
	link, err := f.URL(t.Context(), a, time.Minute, true)
	if err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(link, "t=text%2Fplain", "t=text%2Fhtml", 1)
	for _, tt := range []struct {
		method, path, header, value string
		status                      int
		body                        string
	}{
		{"GET", "/mine", "", "", 200, "0123456789"},
		{"HEAD", "/mine", "", "", 200, ""},
		{"GET", "/mine", "Range", "bytes=2-4", 206, "234"},
		{"GET", "/mine", "Range", "bytes=-3", 206, "789"},
		{"GET", "/mine", "Range", "bytes=20-", 416, ""},
		{"GET", "/mine", "If-None-Match", `"` + a.SHA256 + `"`, 304, ""},
		{"GET", link, "Range", "bytes=9-", 206, "9"},
		{"GET", forged, "", "", 403, ""},
		{"GET", "/blobs/" + a.SHA256, "", "", 403, ""},
	} {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		if tt.header != "" {
			r.Header.Set(tt.header, tt.value)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != tt.status || tt.status < 300 && w.Body.String() != tt.body {
			t.Errorf("%s %s %s: %d %q, want %d %q", tt.method, tt.path, tt.value, w.Code, w.Body, tt.status, tt.body)
		}
		if tt.status == 200 && (w.Header().Get("Content-Length") != "10" || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment; filename*=utf-8''")) {
			t.Errorf("headers %v", w.Header())
		}
	}
	f.now = f.now.Add(time.Hour)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, link, nil))
	if w.Code != http.StatusForbidden {
		t.Errorf("an expired address: %d", w.Code)
	}
	if u, err := url.Parse(link); err != nil || u.Query().Get("s") == "" {
		t.Errorf("%s, %v", link, err)
	}
	r, err := f.Open(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Seek(-1, io.SeekStart); err == nil {
		t.Error("a seek before the beginning")
	}
	if _, err := r.Seek(-1, io.SeekEnd); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "9" {
		t.Errorf("%q, %v", got, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"file-1", "123", "", "file-file-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := file.ParseID(s)
		if err != nil {
			return
		}
		if again, err := file.ParseID(id.String()); err != nil || again != id || id <= 0 || id >= 1<<53 {
			t.Errorf("%q is %d, written %s, read %d, %v", s, id, id, again, err)
		}
	})
}
