// Package read trains the reader of turns: on made turns whose facts are
// known, and beside them on guessing hidden words of natural texts, which
// teaches it words that no made turn has.
package read
