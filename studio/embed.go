// Package studio holds the web app: where clips and pictures are made, the
// characters, the chat with a model, and the console. It uses the public API
// alone.
//
// The sources are TypeScript with Preact (src, vendor); web/app.js is their
// bundle, kept in the repository so that a build needs only Go. After a change:
// go generate ./studio.
package studio

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"kuai/internal/check"
)

//go:generate go run -C ../tools ./studio ../studio

//go:embed web
var files embed.FS

// policy lets nothing in from elsewhere, and no script but the one that is here.
const policy = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler serves the pages, compressed to those who take it.
func Handler() http.Handler {
	web, err := fs.Sub(files, "web")
	check.True(err == nil, "studio: %v", err)
	pages, packed := http.FileServerFS(web), pack(web)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		if name == "" {
			name = "index.html"
		}
		small, ok := packed[name]
		if !ok || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") || r.Header.Get("Range") != "" {
			pages.ServeHTTP(w, r)
			return
		}
		h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
		h.Set("Content-Encoding", "gzip")
		h.Set("Vary", "Accept-Encoding")
		h.Set("Content-Length", strconv.Itoa(len(small)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(small) // the client has gone
		}
	})
}

// pack compresses all files.
func pack(web fs.FS) map[string][]byte {
	all := map[string][]byte{}
	err := fs.WalkDir(web, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(web, name)
		if err != nil {
			return err
		}
		var buf bytes.Buffer
		z, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression) // the level exists
		_, _ = z.Write(data)                                    // into memory
		_ = z.Close()
		all[name] = buf.Bytes()
		return nil
	})
	check.True(err == nil, "studio: %v", err)
	return all
}
