// Package video makes moving pictures: a causal tokenizer that turns clips
// into latents and back, and a text-conditioned transformer that draws
// latents by rectified flow.
//
// [Open] reads a model, [Model.Generate] turns a sentence into a clip. The
// trainer builds [Tokenizer] and [Transformer] directly.
//
// Letters: B batch, T latent frames, H and W rows and columns, C channels,
// F frames of a clip, N tokens of a clip (T·H·W after patching), L words of a
// prompt, D width, NH heads. Pixels are RGB in [-1, 1], channels last.
package video
