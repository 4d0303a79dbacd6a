//go:build !amd64

package gemm

import "kuai/internal/check"

// The kernels below are never chosen where isa.Now is Generic.

func tileF32(int, int, *float32, int, int, *float32, *float32, int, uint32, uint32, uintptr, int) {
	none()
}

func tileBF16(int, int, *float32, int, int, *float32, *float32, int, uint32, uint32, uintptr, int) {
	none()
}

func tile256(*scratch, int, int, *float32, int, int, *float32, *float32, int, int, bool, ahead) {
	none()
}

func segmentsF32(int, int, *float32, int, *int, int, *float32, *float32, int, uint32, uint32) { none() }

func segmentsBF16(int, int, *float32, int, *int, int, *float32, *float32, int, uint32, uint32) {
	none()
}

func roundAVX2(*float32, *float32, int) { none() }

func convertBF16(*float32, *float32, int) { none() }

func pairRows(*float32, *float32, int, int, int, uint32) { none() }

func pairTiles(*float32, *float32, int, int, int) { none() }

func copyPanel(*float32, *float32, int, int) { none() }

func transposePanel(*float32, *float32, int, int) { none() }

func none() { check.Fail("gemm: no such kernel on this CPU") }
