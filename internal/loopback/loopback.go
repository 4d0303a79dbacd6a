// Package loopback gives tests hosts of this machine that nobody else uses.
package loopback

import (
	"crypto/rand"
	"net/netip"
	"runtime"
)

// Host returns an address of the loopback network, drawn at random. A port that
// is free there stays free while a test closes it and opens it again: whoever
// asks the system for a free port meanwhile, as most other tests do, asks it for
// one at 127.0.0.1. Systems other than Linux answer at that alone.
func Host() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	var b [3]byte
	_, _ = rand.Read(b[:]) // it never fails
	return netip.AddrFrom4([4]byte{127, 1 + b[0]%254, b[1], 1 + b[2]%254}).String()
}
