package folk

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/wire"
)

// Scope is that of keys that talk to characters.
const Scope = "characters"

// ownerKey is where the project that asks stands in a request's context.
type ownerKey struct{}

// adminKey is whether that one runs the installation.
type adminKey struct{}

// gated lets a request in whose key has the scope, and keeps whose it is.
func gated(g gate.Gate) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, err := gate.Enter(g, w.Header(), r, gate.Work{Dialect: "kuai", Endpoint: wire.Route(r), Scope: Scope})
			if err != nil {
				openai.Failed(w, r, err)
				return
			}
			owner := p.Owner()
			if p.Admin {
				owner = "" // whose machine it is: the users of the command line
			}
			ctx := context.WithValue(r.Context(), ownerKey{}, owner)
			next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, adminKey{}, p.Admin)))
		})
	}
}

// userOf is the user whom a project means by a name, "me" for none: no project
// reaches the users of another. For the operator, and where there are no
// accounts, names are as they are given: the users of the command line.
func userOf(r *http.Request, name string) string {
	name = cmp.Or(name, "me")
	owner, _ := r.Context().Value(ownerKey{}).(string)
	if owner == "" {
		return name
	}
	sum := sha256.Sum256([]byte(owner))
	return "p" + hex.EncodeToString(sum[:8]) + "-" + name
}

// user is whose conversations a request's query is about.
func user(r *http.Request) string { return userOf(r, r.URL.Query().Get("user")) }
