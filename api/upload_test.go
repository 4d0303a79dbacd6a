package api

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"kuai/platform/file"
)

// TestUploadEnds uploads files that are to expire, as OpenAI's clients say it.
func TestUploadEnds(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	send := func(fields map[string]string) (int, string) {
		var form bytes.Buffer
		f := multipart.NewWriter(&form)
		ok(t, f.WriteField("purpose", "user_data"))
		for k, v := range fields {
			ok(t, f.WriteField(k, v))
		}
		part, err := f.CreateFormFile("file", "a.txt")
		ok(t, err)
		_, err = part.Write([]byte("hello"))
		ok(t, err)
		ok(t, f.Close())
		a := w.ask(t, "ada", "POST", "/v1/files", &form, "Content-Type", f.FormDataContentType())
		return a.Code, a.Body.String()
	}
	const anchor, seconds = "expires_after[anchor]", "expires_after[seconds]"
	if status, body := send(map[string]string{anchor: "created_at", seconds: "3600"}); status != http.StatusOK || strings.Contains(body, `"expires_at":null`) {
		t.Errorf("%d %s", status, body)
	}
	for _, fields := range []map[string]string{{anchor: "last_used", seconds: "3600"}, {anchor: "created_at", seconds: "1"}, {anchor: "created_at"}} {
		if status, body := send(fields); status != http.StatusBadRequest || !strings.Contains(body, "expires_after") {
			t.Errorf("%v: %d %s", fields, status, body)
		}
	}
	files, _, err := w.made.Files.List(t.Context(), file.Filter{Org: w.orgs["ada"]})
	if err != nil || len(files) != 1 || files[0].Org != w.orgs["ada"] || time.Until(files[0].Expires) > time.Hour {
		t.Errorf("%+v %v", files, err)
	}
}
