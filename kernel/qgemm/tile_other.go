//go:build !amd64

package qgemm

import "kuai/internal/check"

// The kernels below are never chosen where isa.VNNI is false.

func tile512(kind, int, int, *int8, int, *float32, int, *byte, *float32, int, uint32, uint32) { none() }

func quantize512(*int8, *float32, *float32, int) { none() }

func none() { check.Fail("qgemm: no such kernel on this CPU") }
