package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestShares shares a clip of ada's: whoever has the address sees it, nobody
// else lists it or takes it back, and when ada does, it leads nowhere at once.
func TestShares(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	clip := w.clip(t, "ada")
	shared := func(days string) (id, address string) {
		t.Helper()
		a := w.ask(t, "ada", "POST", "/api/v1/videos/"+clip+"/share?days="+days, nil)
		u, err := url.Parse(w.get(t, a, "url"))
		ok(t, err)
		return w.get(t, a, "id"), u.RequestURI()
	}
	sees := func(who, address string, want int) http.Header {
		t.Helper()
		a := w.ask(t, who, "GET", address, nil)
		if a.Code != want {
			t.Errorf("%s: GET %s: %d %.200s, want %d", who, address, a.Code, a.Body, want)
		}
		return a.Header()
	}
	id, address := shared("1")
	other, its := shared("7")

	head := sees("nobody", address, http.StatusOK)
	if head.Get("Content-Type") != "video/mp4" || !strings.Contains(head.Get("Cache-Control"), "no-cache") {
		t.Errorf("the clip comes with %v: want an MP4 that no browser shows again unasked", head)
	}
	sees("nobody", strings.Replace(address, id, other, 1), http.StatusForbidden) // signed for another
	a := w.ask(t, "nobody", "GET", address, nil, "If-None-Match", head.Get("Etag"))
	if a.Code != http.StatusNotModified {
		t.Errorf("asked again: %d", a.Code)
	}

	for _, who := range []string{"bob", "eve"} { // of another project, and another organisation
		if a := w.ask(t, who, "GET", "/api/v1/shares", nil); a.Code != http.StatusOK || strings.Contains(a.Body.String(), id) {
			t.Errorf("%s lists %d %s", who, a.Code, a.Body)
		}
		if a := w.ask(t, who, "DELETE", "/api/v1/shares/"+id, nil); a.Code != http.StatusNotFound {
			t.Errorf("%s takes it back: %d %s", who, a.Code, a.Body)
		}
	}
	if a := w.ask(t, "nobody", "DELETE", "/api/v1/shares/"+id, nil); a.Code != http.StatusUnauthorized {
		t.Errorf("without a key: %d %s", a.Code, a.Body)
	}
	sees("nobody", address, http.StatusOK)

	list := func(query string) string {
		t.Helper()
		a := w.ask(t, "ada", "GET", "/api/v1/shares"+query, nil)
		if a.Code != http.StatusOK {
			t.Errorf("ada's shares%s: %d %s", query, a.Code, a.Body)
		}
		return a.Body.String()
	}
	if all := list("?video=" + clip); !strings.Contains(all, id) || !strings.Contains(all, other) || !strings.Contains(all, "a fox") || strings.Contains(list("?video=another"), id) {
		t.Errorf("ada's shares: %s", all)
	}
	if a := w.ask(t, "ada", "DELETE", "/api/v1/shares/"+id, nil); a.Code != http.StatusNoContent {
		t.Errorf("taken back: %d %s", a.Code, a.Body)
	}
	sees("nobody", address, http.StatusNotFound)
	if a := w.ask(t, "nobody", "GET", address, nil, "If-None-Match", head.Get("Etag")); a.Code != http.StatusNotFound {
		t.Errorf("taken back, to one who has seen it: %d", a.Code)
	}
	sees("ada", address, http.StatusNotFound)
	sees("nobody", its, http.StatusOK) // the other holds
	if all := list(""); strings.Contains(all, id) || !strings.Contains(all, other) {
		t.Errorf("ada's shares after one was taken back: %s", all)
	}

	if a := w.ask(t, "ada", "DELETE", "/v1/videos/"+clip, nil); a.Code >= 300 {
		t.Errorf("deleted: %d %s", a.Code, a.Body)
	}
	sees("nobody", its, http.StatusNotFound)
	if all := list(""); strings.Contains(all, other) {
		t.Errorf("the shares of a clip that was deleted: %s", all)
	}
}
