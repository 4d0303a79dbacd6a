// Package openapi holds the descriptions of the dialects and of Kuai's own API, by
// which replies are checked. Accounts describe themselves (api/accounts).
package openapi

import (
	_ "embed" // the documents
	"net/http"
)

// Dialects is the document of the other vendors' APIs, in YAML.
//
//go:embed dialects.yaml
var Dialects []byte

// Kuai is the document of our own API below /api/v1, in YAML.
//
//go:embed kuai.yaml
var Kuai []byte

// Serve serves a document.
func Serve(document []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(document) // the client may have gone
	}
}
