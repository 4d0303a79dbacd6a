package kuai

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/file"
	"kuai/platform/job"
)

// DeleteJob removes a job that has ended, or cancels it first, together with
// the files that it made.
func DeleteJob(ctx context.Context, jobs *job.Queue, files *file.Store, j job.Job) error {
	if !j.State.Final() {
		if _, err := jobs.Cancel(ctx, j.Org, j.ID); err != nil {
			return err
		}
	}
	return jobs.Delete(ctx, j.Org, j.ID, func(tx *db.Tx, j job.Job) error { return files.DeleteOf(ctx, tx, j.ID) })
}

type fileView struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	Purpose string `json:"purpose"`
	Job     string `json:"job,omitempty"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	Created int64  `json:"created_at"`
	Expires int64  `json:"expires_at,omitempty"`
}

func fileViewOf(f file.File) fileView {
	return fileView{
		ID: f.ID.String(), Object: "file", Name: f.Name, Type: f.Type, Purpose: f.Purpose, Job: f.Job, Bytes: f.Bytes, SHA256: f.SHA256,
		Created: seconds(f.Created), Expires: seconds(f.Expires),
	}
}

func (h platform) files(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	q := r.URL.Query()
	f := file.Filter{Org: p.Org, Project: p.Project, Purpose: q.Get("purpose"), Job: q.Get("job"), OldestFirst: q.Get("order") == "asc"}
	var err error
	if f.Limit, err = limitOf(q.Get("limit")); err != nil {
		return err
	}
	if s := q.Get("after"); s != "" {
		if f.After, err = file.ParseID(s); err != nil {
			return err
		}
	}
	files, more, err := h.Files.List(r.Context(), f)
	if err != nil {
		return err
	}
	data := make([]fileView, len(files))
	for i, f := range files {
		data[i] = fileViewOf(f)
	}
	wire.JSON(w, http.StatusOK, map[string]any{"object": "list", "data": data, "has_more": more})
	return nil
}

// myFile returns a file of the caller's project.
func (h platform) myFile(r *http.Request, p gate.Principal) (file.File, error) {
	id, err := file.ParseID(chi.URLParam(r, "id"))
	if err != nil {
		return file.File{}, err
	}
	f, err := h.Files.Get(r.Context(), p.Org, id)
	if err == nil && f.Project != p.Project && !p.Admin {
		err = fault.New(fault.NotFound, "there is no file %s", id)
	}
	return f, err
}

func (h platform) content(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	f, err := h.myFile(r, p)
	if err != nil {
		return err
	}
	return h.Files.Serve(w, r, f, r.URL.Query().Get("inline") == "true")
}

func (h platform) link(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	f, err := h.myFile(r, p)
	if err != nil {
		return err
	}
	u, err := h.Files.URL(r.Context(), f, linkTime, r.URL.Query().Get("inline") == "true")
	if err != nil {
		return err
	}
	wire.JSON(w, http.StatusOK, map[string]any{"url": u, "expires_in": int(linkTime.Seconds())})
	return nil
}

func (h platform) removeFile(w http.ResponseWriter, r *http.Request, p gate.Principal) error {
	f, err := h.myFile(r, p)
	if err == nil {
		err = h.Files.Delete(r.Context(), p.Org, f.ID)
	}
	if err == nil {
		wire.JSON(w, http.StatusOK, map[string]any{"id": f.ID.String(), "object": "file.deleted", "deleted": true})
	}
	return err
}

// signed serves who has a signed address, whoever it is.
func (h platform) signed(w http.ResponseWriter, r *http.Request) {
	r.SetPathValue("hash", chi.URLParam(r, "hash"))
	if err := h.Files.ServeSigned(w, r); err != nil {
		openai.Failed(w, r, err)
	}
}
