package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRoutes sends anything to any route of any dialect, with the key of who
// runs the installation, so that every decoder is reached: what comes back is an
// answer, or an error of the client's in JSON, never one of ours.
func FuzzRoutes(f *testing.F) {
	w := newTown(f)
	var all []route
	for _, r := range w.walk(f) {
		if r.pattern != "/api/v1/login" && r.pattern != "/metrics" { // a password's hash takes long on purpose
			all = append(all, r)
		}
	}
	kinds := []string{"application/json", "multipart/form-data; boundary=b", "application/x-www-form-urlencoded", ""}
	for i := range all {
		f.Add(uint16(i), "limit=x&order=up&after=y&user=U&format=exe&scale=0&from=never", uint8(0), []byte(`{"prompt":5,"model":{},"messages":"x","content":7,"text":[],"name":1e999}`))
		f.Add(uint16(i), "", uint8(i), []byte("[[[[\x00\xff"))
		f.Add(uint16(i), "file_id=file-1&task_id=%00&page_num=-1&kind=\xff", uint8(1), []byte("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../x\"\r\n\r\nx\r\n--b--\r\n"))
	}
	f.Fuzz(func(t *testing.T, at uint16, query string, kind uint8, body []byte) {
		if len(body) > 1<<16 || len(query) > 1<<12 {
			t.Skip()
		}
		to := all[int(at)%len(all)]
		r := httptest.NewRequestWithContext(t.Context(), to.method, to.path, bytes.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", kinds[int(kind)%len(kinds)])
		r.Header.Set("Authorization", "Bearer "+w.keys["oscar"])
		a := httptest.NewRecorder()
		w.ServeHTTP(a, r)
		if a.Code >= 500 && a.Code != http.StatusServiceUnavailable {
			t.Errorf("%s %s?%s: %d %s", to.method, to.path, query, a.Code, a.Body)
		}
		if a.Code >= 400 && to.method != http.MethodHead && (!json.Valid(a.Body.Bytes()) || !strings.Contains(a.Header().Get("Content-Type"), "json")) {
			t.Errorf("%s %s?%s: %d, no JSON: %.200q", to.method, to.path, query, a.Code, a.Body)
		}
	})
}
