package chat

import "slices"

// keeper holds sessions between the turns of conversations, up to a budget of
// bytes; the one that was not used for longest goes first.
type keeper struct {
	budget int64
	bytes  int64
	list   []kept // the longest unused first
}

type kept struct {
	name    string
	session Session
	bytes   int64
}

func sessionBytes(s Session) int64 {
	state, kv := s.Bytes()
	return state + kv
}

// put keeps a session; an older one of the same name goes.
func (k *keeper) put(name string, s Session) {
	if old := k.take(name); old != nil {
		old.Close()
	}
	n := sessionBytes(s)
	if n > k.budget {
		s.Close()
		return
	}
	k.list = append(k.list, kept{name, s, n})
	k.bytes += n
	k.shrink(k.budget)
}

// take hands out a session; nil if there is none of that name.
func (k *keeper) take(name string) Session {
	at := slices.IndexFunc(k.list, func(e kept) bool { return e.name == name })
	if at < 0 {
		return nil
	}
	e := k.list[at]
	k.list = slices.Delete(k.list, at, at+1)
	k.bytes -= e.bytes
	return e.session
}

// shrink lets sessions go until those that stay have at most so many bytes.
func (k *keeper) shrink(to int64) {
	for k.bytes > to && len(k.list) > 0 {
		k.take(k.list[0].name).Close()
	}
}

// bytesOf is what a session of that name has; 0 if there is none.
func (k *keeper) bytesOf(name string) int64 {
	for _, e := range k.list {
		if e.name == name {
			return e.bytes
		}
	}
	return 0
}
