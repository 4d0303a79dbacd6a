package converse

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"kuai/character/card"
	"kuai/character/group"
	"kuai/character/guard"
	"kuai/character/persona"
	"kuai/character/shelf"
	"kuai/companion/fact"
	"kuai/text"
)

// Errors of a House to branch on.
var (
	ErrBusy = errors.New("converse: too many conversations are open at once")
	ErrUser = errors.New("converse: a user's name is small letters, digits and dashes, at most 64 bytes")
)

// usualOpen is how many conversations a House keeps open: each takes less than
// 10 MB.
const usualOpen = 64

// House is all characters' conversations with everybody. They are opened when
// somebody speaks, and the ones that have rested longest are closed for others:
// a thread that rests takes nothing but its place on the disk.
type House struct {
	Dir     string        // of the threads
	People  persona.Store // the users' personas and groups; the zero value: none
	Shelf   shelf.Shelf
	Model   *text.Model  // of the kuai architecture, where there is no Speaker
	Speaker Speaker      // for all; nil is that of Model
	Speaks  string       // the name of the model that it speaks with, which has a price
	Rules   *guard.Rules // nil is the zero value
	Most    int          // open at once; 0 is usual
	Native  bool         // the model sees whole conversations, see KeepRoom

	mu    sync.Mutex
	rooms map[string]*room
}

// room is an open conversation.
type room struct {
	speak sync.Mutex // one turn at a time
	c     *Conversation
	in    int // who speaks or waits to
	left  time.Time
}

// ThreadDir is where the memory of a character and a user lies below dir.
func ThreadDir(dir, character, user string) string {
	return filepath.Join(dir, shelf.ID(character)+"--"+shelf.ID(user))
}

// With calls f with the conversation of a character and a user, which belongs
// to f until it returns. It wraps shelf.ErrNotFound, ErrUser, ErrBusy, or
// memory.ErrLocked where another process has the thread open.
func (h *House) With(ctx context.Context, character, user string, l fact.Language, f func(*Conversation) error) error {
	if user != shelf.ID(user) {
		return ErrUser
	}
	who, err := h.Shelf.Card(character, l)
	if err != nil {
		return err
	}
	return h.in(ctx, ThreadDir(h.Dir, character, user), user, who, l, f)
}

// Groups are those of the users.
func (h *House) Groups() group.Store { return group.Store{Dir: h.People.Dir} }

// WithGroup calls f with a group of a user's. Besides the errors of With it
// wraps group.ErrNotFound.
func (h *House) WithGroup(ctx context.Context, id, user string, l fact.Language, f func(*Group) error) error {
	dir, err := h.Groups().Path(user, id)
	if err != nil {
		return err
	}
	if _, err := h.Groups().Get(user, id); err != nil { // before a thread is made of it
		return err
	}
	return h.in(ctx, dir, user, nil, l, func(c *Conversation) error {
		who, err := h.Groups().Get(user, id) // as it is now
		if err != nil {
			return err
		}
		g, err := NewGroup(c, who, h.Shelf, l)
		if err != nil {
			return err
		}
		return f(g)
	})
}

// in calls f with the conversation of a directory.
func (h *House) in(ctx context.Context, dir, user string, who *card.Card, l fact.Language, f func(*Conversation) error) error {
	r, err := h.enter(dir)
	if err != nil {
		return err
	}
	defer h.leave(dir, r)
	r.speak.Lock()
	defer r.speak.Unlock()
	if r.c == nil {
		s, err := h.speaker()
		if err != nil {
			return err
		}
		c, err := OpenWith(dir, s, who, l)
		if err != nil {
			return err
		}
		if h.Native {
			if err := c.KeepRoom(); err != nil {
				return errors.Join(err, c.Close())
			}
		}
		r.c = c
	}
	if ctx.Err() != nil { // while it waited
		return context.Cause(ctx)
	}
	r.c.Card, r.c.Language, r.c.Rules, r.c.Till = who, l, h.Rules, nil
	if h.People.Dir != "" {
		if err := r.c.Recognise(h.People, user); err != nil {
			return err
		}
	}
	return f(r.c)
}

func (h *House) speaker() (Speaker, error) {
	if h.Speaker != nil {
		return h.Speaker, nil
	}
	return NewCompanion(h.Model)
}

// enter finds the room of a thread, or makes one, for which another that rests
// may have to be closed.
func (h *House) enter(dir string) (*room, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[dir]; r != nil {
		r.in++
		return r, nil
	}
	most := h.Most
	if most <= 0 {
		most = usualOpen
	}
	if len(h.rooms) >= most {
		oldest := ""
		for d, r := range h.rooms {
			if r.in == 0 && (oldest == "" || r.left.Before(h.rooms[oldest].left)) {
				oldest = d
			}
		}
		if oldest == "" {
			return nil, ErrBusy
		}
		if err := h.close(oldest); err != nil {
			return nil, err
		}
	}
	if h.rooms == nil {
		h.rooms = map[string]*room{}
	}
	r := &room{in: 1}
	h.rooms[dir] = r
	return r, nil
}

func (h *House) leave(dir string, r *room) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.in--
	r.left = time.Now()
	if r.in == 0 && r.c == nil { // could not be opened
		delete(h.rooms, dir)
	}
}

// close closes a room in which nobody is; h.mu is held.
func (h *House) close(dir string) error {
	r := h.rooms[dir]
	delete(h.rooms, dir)
	if r == nil || r.c == nil {
		return nil
	}
	return r.c.Close()
}

// Forget deletes everything that a character remembers of a user.
func (h *House) Forget(character, user string) error {
	if user != shelf.ID(user) {
		return ErrUser
	}
	return h.remove(ThreadDir(h.Dir, character, user))
}

// ForgetGroup deletes a group and everything that was said in it.
func (h *House) ForgetGroup(id, user string) error {
	dir, err := h.Groups().Path(user, id)
	if err != nil {
		return err
	}
	if _, err := h.Groups().Get(user, id); err != nil {
		return err
	}
	return h.remove(dir)
}

// remove deletes a thread in which nobody is.
func (h *House) remove(dir string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[dir]; r != nil && r.in > 0 {
		return ErrBusy
	}
	if err := h.close(dir); err != nil {
		return err
	}
	return eraseThread(dir)
}

// ForgetPerson deletes everything of a user's: all conversations, groups and
// personas. It wraps ErrBusy, or memory.ErrLocked where another process has one
// of them open; nothing is deleted then.
func (h *House) ForgetPerson(user string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	dirs, err := PersonDirs(h.Dir, h.People.Dir, user)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if r := h.rooms[dir]; r != nil && r.in > 0 {
			return ErrBusy
		}
	}
	for _, dir := range dirs {
		if err := h.close(dir); err != nil {
			return err
		}
	}
	return ForgetPerson(h.Dir, h.People.Dir, user)
}

// Close closes what is open. Nobody may be speaking.
func (h *House) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for dir := range h.rooms {
		errs = append(errs, h.close(dir))
	}
	return errors.Join(errs...)
}
