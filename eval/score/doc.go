// Package score compares replies with answers as the scorers of published
// evaluations do: LoCoMo's token F1 over Porter's stems, and the share of a
// needle's core words.
package score
