// Package text runs language models: the hybrids of lightning attention,
// softmax attention and mixture of experts of MiniMax-01, and llama, dense and
// with experts. It reads GGUF files and directories of Hugging Face.
//
// A [Session] is the state of one text: its tokens, the constant-size state of
// its linear layers and the pages of its KV cache. It is a value that can be
// forked, rewound, saved and loaded. A [Room] keeps the past of long ones in
// files. [Model.Step] runs one pass over parts of several sessions, long prompts
// in chunks beside single tokens of others.
//
// A model is a table of layers. Each layer has a mixer, which says how many
// values of state and of cache it needs and gets exactly them, so that an
// architecture with another recurrence is a new mixer and nothing else:
//
//	x ── norm ── mixer ── residual ── norm ── feed-forward ── residual
//
// Letters: V vocabulary, E width of the residual stream, H query heads, KVH
// key-value heads, D width of a head, F width of a feed-forward, X experts, N
// rows of a pass, the tokens of all its sessions one after the other.
package text
