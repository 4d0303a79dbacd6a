//go:build !amd64

package conv

import "kuai/internal/check"

// The kernels below are never chosen where isa.Now is Generic.

func copyPixels(*float32, *float32, int, int, uint64) { none() }

func filter3x3(*float32, *float32, *float32, int, int, int, int, int, int, uint32, uint32) { none() }

func filter3x1(*float32, *float32, *float32, int, int, int, int, int, int, uint32, uint32) { none() }

func gradient3x3(*float32, *float32, *float32, int, int, int, int, int, int, uint32) { none() }

func gradient3x1(*float32, *float32, *float32, int, int, int, int, int, int, uint32) { none() }

func none() { check.Fail("conv: no such kernel on this CPU") }
