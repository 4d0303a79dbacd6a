//go:build !amd64

package isa

const hasBF16, hasVNNI = false, false

func detect() Level { return Generic }
