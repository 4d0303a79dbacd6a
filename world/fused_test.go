//go:build !amd64.v3

package world

// fused says that the compiler fuses multiply-adds.
const fused = false
