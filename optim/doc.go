// Package optim turns gradients into new weights: AdamW, Muon, learning-rate
// schedules, clipping and the exponential moving average.
//
// Everything is deterministic and does not depend on the number of workers. An
// optimiser's memory between steps is a list of named slices, State, and one
// number, Steps, which a checkpoint stores and restores.
package optim
