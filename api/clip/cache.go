package clip

import (
	"container/list"
	"sync"
)

// cacheBytes bounds the encoded clips that are kept: a page of fifty clips in
// WebM is about ten MB.
const cacheBytes = 64 << 20

// cache keeps encoded clips, so that ranges and repeated visits do not encode
// them again. What was used longest ago goes first. It is safe for several
// goroutines.
type cache struct {
	mu    sync.Mutex
	bytes int
	used  list.List // of *encoded, the last used first
	by    map[string]*list.Element
}

type encoded struct {
	key  string
	data []byte
}

// get returns what fill makes, from the cache if it is there. Two callers may
// make the same at once; both get the right bytes.
func (c *cache) get(key string, fill func() ([]byte, error)) ([]byte, error) {
	c.mu.Lock()
	if e, ok := c.by[key]; ok {
		c.used.MoveToFront(e)
		c.mu.Unlock()
		return e.Value.(*encoded).data, nil
	}
	c.mu.Unlock()
	data, err := fill()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.by[key]; ok || len(data) > cacheBytes {
		return data, nil
	}
	if c.by == nil {
		c.by = map[string]*list.Element{}
	}
	c.by[key] = c.used.PushFront(&encoded{key, data})
	c.bytes += len(data)
	for c.bytes > cacheBytes {
		last := c.used.Remove(c.used.Back()).(*encoded)
		c.bytes -= len(last.data)
		delete(c.by, last.key)
	}
	return data, nil
}
