package minimax

import (
	"net/http"
	"strings"
	"time"

	"kuai/api/clip"
	"kuai/api/file"
	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/wire"
	"kuai/fault"
	"kuai/serve"
)

// fileOf is a file in MiniMax's shape: its id is a number.
func fileOf(f file.File) object {
	return object{"file_id": f.ID, "bytes": f.Bytes, "created_at": f.Created.Unix(), "filename": f.Name, "purpose": f.Purpose}
}

func (h *handler) upload(w http.ResponseWriter, r *http.Request) {
	owner, ok := h.enter(w, r, gate.ScopeFiles)
	if !ok {
		return
	}
	f, err := openai.Upload(w, r, h.Files, owner)
	if err != nil {
		failed(w, r, err)
		return
	}
	write(w, object{"file": fileOf(f)})
}

func (h *handler) listFiles(w http.ResponseWriter, r *http.Request) {
	owner, ok := h.enter(w, r, gate.ScopeFiles)
	if !ok {
		return
	}
	all, err := h.Files.List(r.Context(), owner)
	if err != nil {
		failed(w, r, err)
		return
	}
	files := []object{}
	for _, f := range all {
		if p := r.URL.Query().Get("purpose"); p == "" || p == f.Purpose {
			files = append(files, fileOf(f))
		}
	}
	write(w, object{"files": files})
}

// noFile names the field as this dialect has it.
func noFile(err error) error {
	if f := fault.From(err); f.Code == fault.NotFound {
		return fault.Param("file_id", "there is no file with this id")
	}
	return err
}

// isVideo says whether a file's id is that of a clip: what a task made is a
// file too, and bears the task's name, while files have numbers.
func isVideo(id string) bool {
	_, err := file.ParseID(id)
	return err != nil && strings.Contains(id, "_")
}

// retrieve tells what a file is and where it can be fetched.
func (h *handler) retrieve(w http.ResponseWriter, r *http.Request) {
	owner, ok := h.enter(w, r, gate.ScopeFiles)
	if !ok {
		return
	}
	name := r.URL.Query().Get("file_id")
	if isVideo(name) {
		h.retrieveVideo(w, r, owner, name)
		return
	}
	id, err := file.ParseID(name)
	var f file.File
	if err == nil {
		f, err = h.Files.Stat(r.Context(), owner, id)
	}
	if err != nil {
		failed(w, r, noFile(err))
		return
	}
	out := fileOf(f)
	out["download_url"] = h.Links.URL(wire.Base(r), owner, "file", file.Name(f.ID), f.Name, time.Now().Add(linkTime))
	write(w, object{"file": out})
}

func (h *handler) retrieveVideo(w http.ResponseWriter, r *http.Request, owner, id string) {
	j, err := h.Clips.Videos.Get(r.Context(), owner, id)
	if err == nil && j.Status != serve.Completed {
		err = serve.ErrNotReady
	}
	var size int64
	if err == nil {
		size, err = h.Clips.ContentLength(r.Context(), owner, id, mp4)
	}
	if err != nil {
		failed(w, r, noFile(clip.Translate(err)))
		return
	}
	write(w, object{"file": object{
		"file_id": id, "bytes": size, "created_at": j.Finished.Unix(), "filename": "output_aigc.mp4",
		"purpose": "video_generation", "download_url": h.videoURL(r, owner, id),
	}})
}

// retrieveContent sends a file itself.
func (h *handler) retrieveContent(w http.ResponseWriter, r *http.Request) {
	owner, ok := h.enter(w, r, gate.ScopeFiles)
	if !ok {
		return
	}
	name := r.URL.Query().Get("file_id")
	if isVideo(name) {
		if err := h.Clips.Serve(w, r, owner, name, mp4); err != nil {
			failed(w, r, noFile(err))
		}
		return
	}
	id, err := file.ParseID(name)
	if err == nil {
		err = openai.SendFile(w, r, h.Files, owner, id)
	}
	if err != nil {
		failed(w, r, noFile(err))
	}
}

func (h *handler) deleteFile(w http.ResponseWriter, r *http.Request) {
	var q struct {
		ID wire.Number `json:"file_id"`
	}
	if err := wire.ReadJSON(w, r, wire.MaxSmall, &q); err != nil {
		failed(w, r, err)
		return
	}
	owner, ok := h.enter(w, r, gate.ScopeFiles)
	if !ok {
		return
	}
	if isVideo(string(q.ID)) {
		if err := h.Clips.Videos.Delete(r.Context(), owner, string(q.ID)); err != nil {
			failed(w, r, noFile(clip.Translate(err)))
			return
		}
		write(w, object{"file_id": q.ID})
		return
	}
	id, err := file.ParseID(string(q.ID))
	if err == nil {
		err = h.Files.Delete(r.Context(), owner, id)
	}
	if err != nil {
		failed(w, r, noFile(err))
		return
	}
	write(w, object{"file_id": id})
}
