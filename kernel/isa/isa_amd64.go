package isa

import "golang.org/x/sys/cpu"

var (
	hasBF16 = cpu.X86.HasAVX512BF16
	hasVNNI = cpu.X86.HasAVX512VNNI
)

func detect() Level {
	switch {
	case cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL:
		return AVX512
	case cpu.X86.HasAVX2 && cpu.X86.HasFMA:
		return AVX2
	}
	return Generic
}
