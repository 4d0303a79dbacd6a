// Package embed trains the embedder: each text of a pair has to be found among
// the others of its batch by its partner.
package embed
