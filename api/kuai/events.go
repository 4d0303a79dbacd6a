// Package kuai is Kuai's own dialect: what the studio needs and no other
// dialect has.
package kuai

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"kuai/api/openai"
	"kuai/serve"
)

// pingEvery keeps proxies from ending a quiet stream.
const pingEvery = 15 * time.Second

// Register adds the routes.
func Register(mux *http.ServeMux, q *serve.Queue) {
	mux.HandleFunc("GET /api/v1/videos/{id}/events", func(w http.ResponseWriter, r *http.Request) { events(w, r, q) })
	mux.HandleFunc("POST /api/v1/videos/{id}/cancel", func(w http.ResponseWriter, r *http.Request) { cancel(w, r, q) })
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		openai.Error(w, http.StatusNotFound, "invalid_request_error", "unknown_url", "there is no "+r.Method+" "+r.URL.Path)
	})
}

// events streams a job's changes as server-sent events until it is final.
func events(w http.ResponseWriter, r *http.Request, q *serve.Queue) {
	j, changed, err := q.Get(r.PathValue("id"))
	if err != nil {
		openai.Error(w, http.StatusNotFound, "invalid_request_error", "not_found", "there is no video with this id")
		return
	}
	beginEvents(w)
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	flush := http.NewResponseController(w)
	for {
		data, err := json.Marshal(openai.FromJob(j))
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil {
			return
		}
		if err := flush.Flush(); err != nil || j.Status.Final() {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-ping.C:
			if _, err := io.WriteString(w, ": ping\n\n"); err != nil {
				return
			}
		case <-changed:
		}
		if j, changed, err = q.Get(j.ID); err != nil {
			return // deleted
		}
	}
}

// beginEvents says that server-sent events follow.
func beginEvents(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx
}

func cancel(w http.ResponseWriter, r *http.Request, q *serve.Queue) {
	j, err := q.Cancel(r.PathValue("id"))
	if errors.Is(err, serve.ErrNotFound) {
		openai.Error(w, http.StatusNotFound, "invalid_request_error", "not_found", "there is no video with this id")
		return
	}
	openai.JSON(w, http.StatusOK, openai.FromJob(j))
}
