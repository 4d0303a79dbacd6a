package openai

import (
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/file"
	"kuai/api/gate"
	"kuai/api/wire"
	"kuai/fault"
)

const maxFileName = 255 // bytes

// fileObject is OpenAI's file.
type fileObject struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Bytes     int64  `json:"bytes"`
	CreatedAt int64  `json:"created_at"`
	ExpiresAt *int64 `json:"expires_at"`
	Name      string `json:"filename"`
	Purpose   string `json:"purpose"`
	Status    string `json:"status"`
}

func fileOf(f file.File) fileObject {
	out := fileObject{
		ID: file.Name(f.ID), Object: "file", Bytes: f.Bytes, CreatedAt: f.Created.Unix(),
		Name: f.Name, Purpose: f.Purpose, Status: "processed",
	}
	if !f.Expires.IsZero() {
		at := f.Expires.Unix()
		out.ExpiresAt = &at
	}
	return out
}

// Upload stores the file of a form for its owner; MiniMax's clients send the
// same form.
func Upload(w http.ResponseWriter, r *http.Request, store file.Store, owner string) (file.File, error) {
	if !wire.IsForm(r) {
		return file.File{}, fault.Param("file", "a file is uploaded in a multipart form")
	}
	defer wire.CloseForm(r)
	if err := wire.ReadForm(w, r, wire.MaxUpload); err != nil {
		return file.File{}, err
	}
	part, head, err := r.FormFile("file")
	if err != nil {
		return file.File{}, fault.Param("file", "the form has no file")
	}
	defer part.Close() //nolint:errcheck // was only read
	f := file.File{Owner: owner, Name: head.Filename, Purpose: r.FormValue("purpose"), Type: head.Header.Get("Content-Type")}
	switch {
	case f.Purpose == "" || len(f.Purpose) > maxFileName:
		return f, fault.Param("purpose", "the form says no purpose")
	case len(f.Name) > maxFileName:
		return f, fault.Param("file", "the file's name is longer than %d bytes", maxFileName)
	}
	if f.Expires, err = expires(r); err != nil {
		return f, err
	}
	return store.Put(r.Context(), f, part)
}

// Times that a file may be asked to last, as OpenAI has them.
const (
	minLife = time.Hour
	maxLife = 30 * 24 * time.Hour
)

// expires reads expires_after[anchor] and [seconds]; zero is never.
func expires(r *http.Request) (time.Time, error) {
	const field = "expires_after"
	anchor, seconds := r.FormValue(field+"[anchor]"), r.FormValue(field+"[seconds]")
	if anchor == "" && seconds == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	switch {
	case anchor != "created_at":
		return time.Time{}, fault.Param(field, "anchor is %.40q, want created_at", anchor)
	case err != nil || n < int64(minLife/time.Second) || n > int64(maxLife/time.Second):
		return time.Time{}, fault.Param(field, "seconds is %.40q, want %d to %d", seconds, minLife/time.Second, maxLife/time.Second)
	}
	return time.Now().Add(time.Duration(n) * time.Second), nil
}

func (h *handler) upload(w http.ResponseWriter, r *http.Request) {
	owner, ok := h.enter(w, r, gate.ScopeFiles)
	if !ok {
		return
	}
	f, err := Upload(w, r, h.Files, owner)
	if err != nil {
		Failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusOK, fileOf(f))
}

func (h *handler) listFiles(w http.ResponseWriter, r *http.Request) {
	owner, ok := h.enter(w, r, gate.ScopeFiles)
	if !ok {
		return
	}
	files, err := h.Files.List(r.Context(), owner)
	if err != nil {
		Failed(w, r, err)
		return
	}
	all := []fileObject{}
	for _, f := range files {
		if p := r.URL.Query().Get("purpose"); p == "" || p == f.Purpose {
			all = append(all, fileOf(f))
		}
	}
	out, err := page(all, func(f fileObject) string { return f.ID }, r, defaultFilePage)
	if err != nil {
		Failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusOK, out)
}

// fileID reads the id in the address and says whose it must be.
func (h *handler) fileID(w http.ResponseWriter, r *http.Request) (string, int64, bool) {
	owner, ok := h.enter(w, r, gate.ScopeFiles)
	if !ok {
		return "", 0, false
	}
	id, err := file.ParseID(chi.URLParam(r, "id"))
	if err != nil {
		Failed(w, r, err)
		return "", 0, false
	}
	return owner, id, true
}

func (h *handler) getFile(w http.ResponseWriter, r *http.Request) {
	owner, id, ok := h.fileID(w, r)
	if !ok {
		return
	}
	f, err := h.Files.Stat(r.Context(), owner, id)
	if err != nil {
		Failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusOK, fileOf(f))
}

func (h *handler) deleteFile(w http.ResponseWriter, r *http.Request) {
	owner, id, ok := h.fileID(w, r)
	if !ok {
		return
	}
	if err := h.Files.Delete(r.Context(), owner, id); err != nil {
		Failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusOK, map[string]any{"id": file.Name(id), "object": "file", "deleted": true})
}

func (h *handler) fileContent(w http.ResponseWriter, r *http.Request) {
	owner, id, ok := h.fileID(w, r)
	if !ok {
		return
	}
	if err := SendFile(w, r, h.Files, owner, id); err != nil {
		Failed(w, r, err)
	}
}

// SendFile sends a file, or a range of it. A browser never runs what a client
// uploaded: it saves it.
func SendFile(w http.ResponseWriter, r *http.Request, store file.Store, owner string, id int64) error {
	f, content, err := store.Open(r.Context(), owner, id)
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // was only read
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", "application/octet-stream")
	if f.Type == "image/png" {
		h.Set("Content-Type", f.Type)
	} else {
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	}
	http.ServeContent(w, r, "", f.Created, content)
	return nil
}
