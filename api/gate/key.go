package gate

import (
	"context"
	"net/http"
	"strings"
)

// MaxKey bounds a key, so that nobody hashes megabytes.
const MaxKey = 512

type keyed struct{}

// ReadKey returns the secret that a request carries: that of "Authorization:
// Bearer", or x-api-key. Every dialect takes both, since the official clients
// of one vendor send either. "" is none, or one that is too long to be ours.
func ReadKey(h http.Header) string {
	key := ""
	if scheme, rest, ok := strings.Cut(h.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		key = strings.TrimSpace(rest)
	}
	if key == "" {
		key = strings.TrimSpace(h.Get("X-Api-Key"))
	}
	if len(key) > MaxKey {
		return ""
	}
	return key
}

// WithKey is the middleware that puts a request's key into its context and
// takes it out of the header, so that no log of headers can hold it.
func WithKey(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := ReadKey(r.Header)
		r = r.WithContext(context.WithValue(r.Context(), keyed{}, key))
		r.Header = r.Header.Clone()
		r.Header.Del("Authorization")
		r.Header.Del("X-Api-Key")
		next.ServeHTTP(w, r)
	})
}

// Key returns the key that WithKey found; "" is none.
func Key(ctx context.Context) string {
	key, _ := ctx.Value(keyed{}).(string)
	return key
}
