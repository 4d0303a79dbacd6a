//go:build !amd64

package conv

import "kuai/internal/check"

// The kernels below are never chosen where isa.Now is Generic.

func gather4(*float32, *float32, *float32, *int, *int, int, int, int, uint32) { none() }

func gather2(*float32, *float32, *float32, *int, *int, int, int, int, uint32) { none() }

func gather1(*float32, *float32, *float32, *int, *int, int, int, int, uint32) { none() }

func weights4(*float32, *float32, *float32, *int, *int, int, int, int) { none() }

func weights2(*float32, *float32, *float32, *int, *int, int, int, int) { none() }

func weights1(*float32, *float32, *float32, *int, *int, int, int, int) { none() }

func none() { check.Fail("conv: no such kernel on this CPU") }
