package studio

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// maxFirstLoad bounds what a first visit fetches, compressed.
const maxFirstLoad = 150 << 10

func TestFirstLoad(t *testing.T) {
	t.Parallel()
	total := 0
	for _, at := range []string{"/", "/app.js", "/style.css"} {
		r := httptest.NewRequest(http.MethodGet, at, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, r)
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Content-Encoding") != "gzip" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'self'") {
			t.Errorf("%s: %d %v", at, w.Code, h)
		}
		if strings.Contains(h.Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("the policy lets inline scripts in: %s", h.Get("Content-Security-Policy"))
		}
		total += w.Body.Len()
	}
	t.Logf("first load: %d bytes", total)
	if total > maxFirstLoad {
		t.Errorf("the first load is %d bytes, want at most %d", total, maxFirstLoad)
	}
	w := httptest.NewRecorder()
	if Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/app.js", nil)); w.Header().Get("Content-Encoding") != "" || !strings.Contains(w.Body.String(), "DO NOT EDIT") {
		t.Errorf("without compression: %v", w.Header())
	}
	w = httptest.NewRecorder()
	if Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/none.js", nil)); w.Code != http.StatusNotFound {
		t.Errorf("what there is not: %d", w.Code)
	}
}
