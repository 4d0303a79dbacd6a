package merge

import (
	"hash/maphash"
	"sync"
)

const (
	cacheShards = 16
	cacheWords  = 4096 // of a shard; it is emptied when full
	cacheLength = 64   // bytes of a word that is kept
)

// cache remembers words. The zero value is empty.
type cache [cacheShards]struct {
	sync.RWMutex
	words map[string][]int32
}

// seed makes the shards of a word the same in all caches, and of no use to those
// who would fill one.
var seed = maphash.MakeSeed()

func (c *cache) get(word string) ([]int32, bool) {
	if len(word) > cacheLength {
		return nil, false
	}
	s := &c[maphash.String(seed, word)%cacheShards]
	s.RLock()
	defer s.RUnlock()
	out, ok := s.words[word]
	return out, ok
}

func (c *cache) put(word string, ids []int32) {
	if len(word) > cacheLength {
		return
	}
	s := &c[maphash.String(seed, word)%cacheShards]
	s.Lock()
	defer s.Unlock()
	if s.words == nil || len(s.words) >= cacheWords {
		s.words = make(map[string][]int32, cacheWords)
	}
	s.words[string([]byte(word))] = append([]int32(nil), ids...)
}
