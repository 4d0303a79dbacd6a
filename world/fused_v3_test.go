//go:build amd64.v3

package world

const fused = true
