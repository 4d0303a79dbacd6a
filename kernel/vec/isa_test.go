package vec

import "testing"

func everyISA(t *testing.T, f func(t *testing.T)) { f(t) }
