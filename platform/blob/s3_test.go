package blob_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kuai/platform/blob"
	"kuai/platform/blob/blobtest"
)

const secretKey = "a-secret-key"

// bucket is a small S3 server with one bucket: objects whole, ranges, heads,
// lists of pages of two, deletion. It checks signatures of version 4 itself,
// from Amazon's description.
type bucket struct {
	t       *testing.T
	mu      sync.Mutex
	objects map[string][]byte
}

func digest(key []byte, s string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(s))
	return m.Sum(nil)
}

// signed says whether a request bears the right signature.
func signed(r *http.Request) bool {
	q := r.URL.Query()
	var scope, names, want, date, payload string
	if q.Has("X-Amz-Signature") { // in the address
		_, scope, _ = strings.Cut(q.Get("X-Amz-Credential"), "/")
		names, want, date, payload = q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature"), q.Get("X-Amz-Date"), "UNSIGNED-PAYLOAD"
		q.Del("X-Amz-Signature")
	} else {
		for part := range strings.SplitSeq(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "), ",") {
			k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch k {
			case "Credential":
				_, scope, _ = strings.Cut(v, "/")
			case "SignedHeaders":
				names = v
			case "Signature":
				want = v
			}
		}
		date, payload = r.Header.Get("X-Amz-Date"), r.Header.Get("X-Amz-Content-Sha256")
	}
	var headers strings.Builder
	for name := range strings.SplitSeq(names, ";") {
		v := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			v = r.Host
		case "content-length":
			v = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, v)
	}
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), strings.ReplaceAll(q.Encode(), "+", "%20"), headers.String(), names, payload}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + secretKey)
	for part := range strings.SplitSeq(scope, "/") {
		key = digest(key, part)
	}
	got := hex.EncodeToString(digest(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(sum[:])))
	return hmac.Equal([]byte(got), []byte(want))
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !signed(r) {
		b.t.Errorf("%s %s: a wrong signature", r.Method, r.URL)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/bucket"), "/")
	switch {
	case name == "" && r.URL.Query().Has("location"):
		_, _ = io.WriteString(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-1</LocationConstraint>`)
	case name == "" && r.Method == http.MethodHead:
	case name == "":
		b.list(w, r.URL.Query())
	case r.Method == http.MethodPut:
		data, err := payloadOf(r)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		b.objects[name] = data
		w.Header().Set("ETag", `"x"`)
	case r.Method == http.MethodDelete:
		delete(b.objects, name)
		w.WriteHeader(http.StatusNoContent)
	default:
		data, ok := b.objects[name]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Unix(1000, 0), strings.NewReader(string(data)))
	}
}

// payloadOf reads a body, in signed chunks as plain connections have it:
// SIZE;chunk-signature=S CRLF BYTES CRLF, the last one empty.
func payloadOf(r *http.Request) ([]byte, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return data, err
	}
	var out []byte
	for rest := string(data); ; {
		head, body, ok := strings.Cut(rest, "\r\n")
		var n int
		if _, err := fmt.Sscanf(head, "%x", &n); err != nil || !ok || n > len(body) {
			return nil, fmt.Errorf("chunk %q: %w", head, err)
		}
		if n == 0 {
			return out, nil
		}
		out = append(out, body[:n]...)
		rest = strings.TrimPrefix(body[n:], "\r\n")
	}
}

func (b *bucket) list(w io.Writer, q url.Values) {
	type object struct {
		Key          string
		Size         int
		LastModified string
	}
	var out struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string
		Contents              []object
	}
	var keys []string
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	for k := range b.objects {
		if strings.HasPrefix(k, q.Get("prefix")) && k > after {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for i, k := range keys {
		if i == 2 {
			out.IsTruncated, out.NextContinuationToken = true, keys[1]
			break
		}
		out.Contents = append(out.Contents, object{k, len(b.objects[k]), "2026-01-01T00:00:00.000Z"})
	}
	_ = xml.NewEncoder(w).Encode(out)
}

func s3(t *testing.T, change func(*blob.S3Options)) *blob.S3 {
	t.Helper()
	srv := httptest.NewServer(&bucket{t: t, objects: map[string][]byte{}})
	t.Cleanup(srv.Close)
	o, err := blob.ParseS3("s3://bucket/some/where?region=eu-1&insecure=1&endpoint=" + strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	o.AccessKey, o.SecretKey, o.Spool = "key", secretKey, t.TempDir()
	if change != nil {
		change(&o)
	}
	s, err := blob.NewS3(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestS3(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Store { t.Helper(); return s3(t, nil) })
}

// TestS3Direct reads by an address that the bucket checks itself.
func TestS3Direct(t *testing.T) {
	t.Parallel()
	s := s3(t, func(o *blob.S3Options) { o.Direct = true })
	i, err := s.Put(t.Context(), strings.NewReader("hello"), 100)
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.SignedURL(t.Context(), i.Hash, blob.Link{Name: "a b.txt", Type: "text/plain", Expires: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if got, err := io.ReadAll(res.Body); err != nil || string(got) != "hello" {
		t.Errorf("%d: %q, %v", res.StatusCode, got, err)
	}
}

func TestParseS3(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "http://x", "s3://", "s3:///x", "\n"} {
		if o, err := blob.ParseS3(bad); err == nil {
			t.Errorf("%q was taken as %+v", bad, o)
		}
	}
	o, err := blob.ParseS3("s3://b")
	if err != nil || o.Endpoint != "s3.amazonaws.com" || o.Prefix != "" || o.Insecure {
		t.Errorf("%+v, %v", o, err)
	}
}
