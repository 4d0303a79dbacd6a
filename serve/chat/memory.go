package chat

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

const (
	// growTokens is for how many tokens of an answer of open length memory is
	// reserved at a time.
	growTokens = 1024
	// minMemory is what sessions may take at least, however little is free.
	minMemory = 256 << 20
)

// MemoryError is a request that needs more memory than sessions may take
// together. It is an ErrMemory.
type MemoryError struct {
	Tokens, Most int // of prompt and answer: wanted, and possible
	Bytes        int64
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("chat: the request needs a session of %d tokens; the memory for sessions, %d MiB, holds %d", e.Tokens, e.Bytes>>20, e.Most)
}

// Is says that it is an ErrMemory.
func (e *MemoryError) Is(target error) bool { return target == ErrMemory }

// defaultMemory is what sessions may take where nobody says: half of what is
// free once the model is loaded. 0 is no limit, where that cannot be found out.
func defaultMemory() int64 {
	free := freeMemory("/proc/meminfo", "/sys/fs/cgroup/")
	if free <= 0 {
		return 0
	}
	return max(free/2, minMemory)
}

// freeMemory is what Linux says is available, to the machine and to the control
// group.
func freeMemory(meminfo, group string) int64 {
	f, err := os.Open(meminfo)
	if err != nil {
		return 0
	}
	defer f.Close() //nolint:errcheck // was only read
	free := int64(0)
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "MemAvailable:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			if err != nil || kb < 0 || kb > math.MaxInt64>>10 {
				return 0
			}
			free = kb << 10
		}
	}
	most, ok := number(group + "memory.max") // "max" is no number: no limit
	used, known := number(group + "memory.current")
	if ok && known && free > 0 {
		free = min(free, max(most-used, 1))
	}
	return free
}

// number reads a file that holds one.
func number(path string) (int64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil && n >= 0
}

// reserve works out how long an answer may become and what memory it gets to
// begin with: all of it where its length is given, else as much as the next
// tokens need.
func (s *sequence) reserve(info Info, most int64) error {
	prompt := len(s.req.Prompt)
	s.budget = info.Context - prompt
	if s.req.MaxTokens > 0 {
		s.budget = min(s.budget, s.req.MaxTokens)
	}
	s.room = prompt + s.budget
	if s.req.MaxTokens == 0 {
		s.room = prompt + min(s.budget, growTokens)
	}
	if most > 0 && info.KVBytes > 0 {
		fits := int(min(max(most-info.StateBytes, 0)/info.KVBytes, math.MaxInt32))
		if least := prompt + 1; s.req.MaxTokens == 0 && fits >= least {
			s.room = min(s.room, fits)
		}
		if s.room > fits {
			return &MemoryError{s.room, fits, most}
		}
	} else if most > 0 && info.StateBytes > most {
		return &MemoryError{s.room, 0, most}
	}
	s.reserved = info.StateBytes + info.KVBytes*int64(s.room)
	return nil
}

// extend reserves memory for more tokens of an answer; false if there is none.
func (e *Engine) extend(s *sequence) bool {
	have := len(s.req.Prompt) + s.written
	if have < s.room {
		return true
	}
	n := min(growTokens, s.budget-s.written)
	if most := e.o.MemoryBytes; most > 0 {
		room := most - e.reserved
		if e.info.KVBytes > 0 {
			n = int(min(int64(n), room/e.info.KVBytes))
		}
		if n <= 0 {
			return false
		}
		e.kept.shrink(room - e.info.KVBytes*int64(n))
	}
	s.room += n
	s.reserved += e.info.KVBytes * int64(n)
	e.reserved += e.info.KVBytes * int64(n)
	return true
}
