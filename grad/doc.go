// Package grad records what a forward pass did so that gradients can be run
// backwards through it.
//
// There is no graph and no table of operations. A layer computes its output
// and hands the tape one function that turns the output's gradient into those
// of its inputs and weights; the order of recording is the order of the graph.
// Tensors are contiguous float32 in one arena, which Reset empties after each
// step. With a tape that does not record, the same layers serve inference.
//
// Gradients add up: a layer adds its share to what later layers left. Two
// short cuts spare most of the clearing and adding that this would cost, and
// change no bit: Fresh hands the first writer memory to overwrite, and Pass
// gives a whole gradient on to an input where it is the same.
package grad
