// Package talk trains language models of the kuai architecture: lightning
// attention in most layers, one softmax layer over a short window and one over
// everything, without positions, that finds what was said long ago.
//
// A training's documents are conversations of package companion and texts of
// the user's; they are drawn, turned into tokens and packed into rows while the
// step before runs, each row a pure function of the seed, the step and the row.
//
// Letters: B rows, T positions of a row, D width, H heads, V tokens.
package talk
