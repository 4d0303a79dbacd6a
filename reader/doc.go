// Package reader reads what somebody says: the facts that it tells and what it
// asks for. A small bidirectional transformer marks where in the turn they
// stand, so that whatever it finds was said; it cannot make words up. A turn
// costs a millisecond where a language model that writes the same as lines
// takes ten or more.
//
// A turn is cut into units, words and Chinese characters, each known by a bag
// of hashed features: itself, its pieces, its shape, its neighbours. Unit 0
// stands for the turn as a whole. Over the units' vectors are the heads:
//
//	kind       of the turn: tells, asks for a value, for a day, ... or nothing
//	tags       which units begin and go on with a value
//	predicate  of each value, or of the question
//	subject    two pointers, to the first and the last unit of whom it is about;
//	           both point at unit 0 where it is the user
//
// Letters: B turns, N units with unit 0, D width, NH heads, P predicates.
//
// Sources: hashed features of Bojanowski et al., arXiv:1607.04606; pointers of
// Vinyals et al., arXiv:1506.03134.
package reader
