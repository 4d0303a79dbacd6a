package openai

import "math/rand/v2"

// seedBits is how large a seed can be that JavaScript still holds exactly.
const seedBits = 53

// randomSeed is drawn where a request has none, and told in the answer.
func randomSeed() uint64 { return rand.Uint64() >> (64 - seedBits) }
