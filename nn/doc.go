// Package nn has the layers of the models, each with its backward beside its
// forward.
//
// A layer takes the tape first, then tensors whose last dimension holds the
// features. What it keeps for the backward pass lives in the tape's arena; on
// a tape that does not record it keeps nothing. Layers with parameters are
// structs of *Param with `name` tags, which Params collects under the names of
// the safetensors files.
//
// Results do not depend on the number of workers. A wrong shape is the
// caller's bug and panics.
//
// Letters: B batch, N positions, D width, F hidden width, V rows of an
// embedding, NH heads, hd width of a head; T, H, W, C frames, rows, columns
// and channels of a clip; KT, KH, KW sizes of a convolution's kernel.
package nn
