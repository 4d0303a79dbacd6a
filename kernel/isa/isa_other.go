//go:build !amd64

package isa

const hasBF16 = false

func detect() Level { return Generic }
