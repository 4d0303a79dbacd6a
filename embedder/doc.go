// Package embedder turns texts, English and Chinese, into vectors that lie close
// together where one text answers the other or says the same: the mean of rows
// of two tables, one of words and one of what is smaller or larger than words,
// made as long as 1. How much a word counts is the length of its row, which
// training learns.
//
// It knows no order of words. What it adds to finding by words are other words
// for the same, in either language; one text takes microseconds.
//
// Letters: D width of a vector.
package embedder
