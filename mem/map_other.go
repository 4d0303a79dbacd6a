//go:build !unix

package mem

import "errors"

func reserve(n int) ([]byte, error) { return make([]byte, n), nil }

func release([]byte) {}

func mapFile(uintptr, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapFile([]byte) error { return nil }
