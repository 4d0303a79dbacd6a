package converse

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"kuai/character/memory"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/format/atomicfile"
	"kuai/text"
)

// ErrNoRoom says that what speaks cannot keep what it has seen.
var ErrNoRoom = errors.New("converse: only a model of the kuai architecture that was trained as a companion has a room")

const (
	nativeBits  = 4    // of keys
	nativeRead  = 4096 // tokens that are read at once
	nativeSave  = 64   // turns after which the session is written
	sessionFile = "session"
)

// Native is the model's own memory of a conversation: a session that has seen
// every turn of the present branch, whose past lies in files (text.Room), so that
// what it takes in memory hardly grows. A reply is written by a fork of it, so
// that what was recalled for one turn is not in the way of the next.
//
//	keys.room, values.room   package text/room
//	session                  the session as it was saved last, file of which turns it has seen
//
// All of it can be made again from the log of turns: what is damaged, of
// another model or of other words at the beginning is thrown away and read anew.
type Native struct {
	dir     string
	speaker *Companion
	room    *text.Room
	session *text.Session
	seen    []seenTurn // oldest first
	mark    [32]byte   // of what stands before the turns, and what was forgotten
	forgot  int        // turns forgotten when the room was opened
	unsaved int        // turns since the session was written
}

// seenTurn is a turn and where in the session it ends.
type seenTurn struct {
	ID, End uint64
}

// KeepRoom lets the model see the whole conversation, in files beside the
// memory. It wraps ErrNoRoom where what speaks cannot.
func (c *Conversation) KeepRoom() error {
	s, ok := c.speaker.(*Companion)
	if !ok {
		return ErrNoRoom
	}
	n := &Native{dir: filepath.Join(c.dir, memory.NativeDir), speaker: s, forgot: c.thread.Forgotten()}
	if err := n.open(); err != nil {
		return err
	}
	c.native = n
	return nil
}

// open opens the room, and once more an empty one where it is of no use.
func (n *Native) open() (err error) {
	if n.room, err = n.speaker.model.OpenRoom(n.dir, nativeBits); err == nil {
		return nil
	}
	if err := os.RemoveAll(n.dir); err != nil {
		return fmt.Errorf("converse: %w", err)
	}
	if n.room, err = n.speaker.model.OpenRoom(n.dir, nativeBits); err != nil {
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	return nil
}

// reset throws everything away.
func (n *Native) reset() error {
	n.drop()
	if err := errors.Join(n.room.Close(), os.RemoveAll(n.dir)); err != nil {
		return fmt.Errorf("converse: %w", err)
	}
	return n.open()
}

// drop forgets the session.
func (n *Native) drop() {
	if n.session != nil {
		n.session.Close()
	}
	n.session, n.seen, n.unsaved = nil, nil, 0
}

// follow has the session see the thread's branch up to so many turns before its
// head. begun stands before all turns, and was made from what the prompt says.
func (n *Native) follow(ctx context.Context, t *memory.Thread, p *Prompt, before int) error {
	begun := n.speaker.begins(p)
	mark := sha256.Sum256(fmt.Appendf(nil, "%d\x00%q %q %q", t.Forgotten(), p.Card.SystemPrompt, p.Char, p.User))
	if n.session == nil {
		n.load(mark)
	}
	if f := t.Forgotten(); f != n.forgot || n.session != nil && n.mark != mark { // forgetting took the files; or other words begin
		n.forgot = f
		if err := n.reset(); err != nil {
			return err
		}
	}
	err := n.read(ctx, t, begun, before, mark)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if err := n.reset(); err != nil { // damaged since it was opened
		return err
	}
	return n.read(ctx, t, begun, before, mark)
}

// read reads the turns that the session has not seen.
func (n *Native) read(ctx context.Context, t *memory.Thread, begun string, before int, mark [32]byte) error {
	codec := n.speaker.codec
	if n.session == nil {
		n.session, n.mark = n.room.NewSession(), mark
		tokens := []int32{codec.Begin}
		if begun != "" {
			tokens = codec.Append(tokens, companion.Sample{{Role: companion.System, Text: begun}})
		}
		if err := n.session.Prefill(ctx, tokens, nil, nil); err != nil {
			n.drop()
			return err
		}
		n.seen = []seenTurn{{0, uint64(n.session.Len())}}
	}
	last := t.Back(before)
	if err := n.rewind(t, last); err != nil {
		return err
	}
	var tokens []int32
	var turns []seenTurn
	put := func() error {
		if err := n.session.Prefill(ctx, tokens, nil, nil); err != nil {
			return errors.Join(err, n.session.Rewind(int(n.seen[len(n.seen)-1].End)))
		}
		n.seen = append(n.seen, turns...)
		n.unsaved += len(turns)
		tokens, turns = nil, nil
		if n.unsaved >= nativeSave {
			return n.save()
		}
		return nil
	}
	from := n.seen[len(n.seen)-1]
	for turn, err := range t.Turns(from.ID + 1) {
		if err != nil {
			return err
		}
		if turn.ID > last {
			break
		}
		if !t.OnPath(turn.ID) {
			continue
		}
		role := companion.Assistant
		if turn.Speaker == fact.User {
			role = companion.User
		}
		if turn.Text != "" { // a forgotten one has its place alone
			tokens = codec.Append(tokens, companion.Sample{{Role: role, Text: turn.Text}})
		}
		turns = append(turns, seenTurn{turn.ID, uint64(n.session.Len() + len(tokens))})
		if len(tokens) >= nativeRead {
			if err := put(); err != nil {
				return err
			}
		}
	}
	if len(turns) == 0 {
		return nil
	}
	return put()
}

// rewind goes back to the last turn that is on the branch, and not after one.
func (n *Native) rewind(t *memory.Thread, last uint64) error {
	keep := len(n.seen)
	for keep > 1 && (n.seen[keep-1].ID > last || !t.OnPath(n.seen[keep-1].ID)) {
		keep--
	}
	if keep == len(n.seen) {
		return nil
	}
	n.seen = n.seen[:keep]
	return n.session.Rewind(int(n.seen[keep-1].End))
}

// fork returns a session that has seen the same.
func (n *Native) fork() *text.Session { return n.session.Fork() }

// Bytes is what lies on the disk, and what is in memory.
func (n *Native) Bytes() (disk, held int64) {
	disk, _ = n.room.Bytes()
	if n.session != nil {
		state, pages := n.session.Bytes()
		held = state + pages + 4*int64(n.session.Len()) + 16*int64(len(n.seen))
	}
	return disk, held
}

// close writes the session and closes the room.
func (n *Native) close() error {
	var err error
	if n.session != nil && n.unsaved > 0 {
		err = n.save()
	}
	n.drop()
	return errors.Join(err, n.room.Close())
}

// save writes the session and which turns it has seen.
func (n *Native) save() error {
	err := atomicfile.Write(filepath.Join(n.dir, sessionFile), func(w io.Writer) error {
		if err := writeSeen(w, n.mark, n.seen); err != nil {
			return err
		}
		return n.session.Save(w)
	})
	if err != nil {
		return fmt.Errorf("converse: %w", err)
	}
	n.unsaved = 0
	return nil
}

// load takes the session up where it was written last, if that is sound and
// begins as it should.
func (n *Native) load(mark [32]byte) {
	f, err := os.Open(filepath.Join(n.dir, sessionFile))
	if err != nil {
		return
	}
	defer f.Close() //nolint:errcheck // nothing was written
	kept, seen, err := readSeen(f)
	if err != nil {
		return
	}
	n.mark = kept
	s, err := n.room.LoadSession(f)
	if err != nil {
		return
	}
	if kept == mark && seen[len(seen)-1].End == uint64(s.Len()) {
		n.session, n.seen = s, seen
		return
	}
	s.Close()
}

// begins is what stands before all turns.
func (s *Companion) begins(p *Prompt) string {
	return cut(strings.TrimSpace(p.Expand(p.Card.SystemPrompt)), s.Room().Card, s.Tokens)
}
