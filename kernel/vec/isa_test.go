package vec

import (
	"testing"

	"kuai/kernel/isa"
)

func everyISA(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	isa.ForEach(t, f)
}
