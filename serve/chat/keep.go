package chat

import "slices"

// keeper holds sessions between the turns of conversations, up to a budget of
// bytes; the one that was not used for longest goes first.
type keeper struct {
	budget int64
	bytes  int64
	list   []kept // the longest unused first
	disk   *spill // where they go then; nil: nowhere
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
	if old := k.pick(name); old != nil {
		old.Close()
	}
	if k.disk != nil {
		k.disk.drop(name)
	}
	n := sessionBytes(s)
	if n > k.budget {
		k.away(name, s)
		return
	}
	k.list = append(k.list, kept{name, s, n})
	k.bytes += n
	k.shrink(k.budget)
}

// away puts a session on disk, if there is one, and closes it.
func (k *keeper) away(name string, s Session) {
	if k.disk != nil && s.Len() > 0 {
		k.disk.put(name, s)
	}
	s.Close()
}

// take hands out a session; nil if there is none of that name.
func (k *keeper) take(name string) Session {
	if s := k.pick(name); s != nil {
		return s
	}
	if k.disk != nil {
		return k.disk.take(name)
	}
	return nil
}

// has says whether there is a session of that name.
func (k *keeper) has(name string) bool {
	return k.bytesOf(name) > 0 || k.disk != nil && k.disk.find(name) >= 0
}

// pick is take for sessions in memory.
func (k *keeper) pick(name string) Session {
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
		name := k.list[0].name
		k.away(name, k.pick(name))
	}
}

// close lets all go.
func (k *keeper) close() {
	if k.disk != nil {
		k.disk.close()
		k.disk = nil
	}
	k.shrink(0)
}

// bytesOf is what a session of that name has in memory; 0 if there is none.
func (k *keeper) bytesOf(name string) int64 {
	for _, e := range k.list {
		if e.name == name {
			return e.bytes
		}
	}
	return 0
}
