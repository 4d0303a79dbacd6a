// Package openapi holds the description of the dialects, by which the replies
// to recorded clients are checked.
package openapi

import (
	_ "embed" // the document
	"net/http"
)

// Dialects is the document, in YAML.
//
//go:embed dialects.yaml
var Dialects []byte

// Handler serves it.
func Handler(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(Dialects) // the client may have gone
}
