// Package studio holds the web pages: a prompt, the clip as it is made, and
// the clips made so far. They use the public API alone.
//
// The sources are TypeScript with Preact (src, vendor); web/app.js is their
// bundle, kept in the repository so that a build needs only Go. After a change:
// go generate ./studio.
package studio

import (
	"embed"
	"io/fs"
	"net/http"

	"kuai/internal/check"
)

//go:generate go run -C ../tools ./studio ../studio

//go:embed web
var files embed.FS

// Handler serves the pages.
func Handler() http.Handler {
	web, err := fs.Sub(files, "web")
	check.True(err == nil, "studio: %v", err)
	pages := http.FileServerFS(web)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; media-src 'self' blob:")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		pages.ServeHTTP(w, r)
	})
}
