package clip

import (
	"errors"
	"fmt"
	"testing"
)

func TestCacheForgetsTheOldest(t *testing.T) {
	t.Parallel()
	var c cache
	fills := 0
	get := func(key string) {
		t.Helper()
		if _, err := c.get(key, func() ([]byte, error) { fills++; return make([]byte, cacheBytes/4), nil }); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		get(fmt.Sprint(i))
	}
	get("0") // used: 1 is the oldest now
	get("4") // 1 goes
	if get("0"); fills != 5 || c.bytes != cacheBytes {
		t.Errorf("%d fills, %d bytes kept, want 5 and %d", fills, c.bytes, cacheBytes)
	}
	if get("1"); fills != 6 {
		t.Errorf("%d fills, want 6: the oldest is still there", fills)
	}
	bad := errors.New("broken")
	if _, err := c.get("x", func() ([]byte, error) { return nil, bad }); !errors.Is(err, bad) {
		t.Errorf("got %v, want %v", err, bad)
	}
}
