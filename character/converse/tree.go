package converse

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"kuai/character/memory"
	"kuai/format/atomicfile"
)

// Limits of checkpoints and of branches that are listed.
const (
	checkpointFile  = "checkpoints.json"
	maxCheckpoints  = 1000
	maxCheckpoint   = 100 // bytes of a name
	maxBranches     = 200
	checkpointBytes = 1 << 20
)

// ErrCheckpoint says that a checkpoint cannot have a name, or that there are too
// many, ErrNoCheckpoint that there is none of a name.
var (
	ErrCheckpoint   = fmt.Errorf("converse: a checkpoint's name is text of 1 to %d bytes that is no number, and there are at most %d", maxCheckpoint, maxCheckpoints)
	ErrNoCheckpoint = errors.New("converse: there is no such checkpoint")
)

// Branch is a way that the conversation took.
type Branch struct {
	Leaf    memory.Turn // its last turn
	Own     int         // how many of its turns are not on the present branch
	From    uint64      // the last of those that are, 0 for none
	Present bool
}

// Branches returns the ends of the newest branches, oldest first.
func (c *Conversation) Branches() ([]Branch, error) { return branches(c.thread) }

func branches(t *memory.Thread) ([]Branch, error) {
	leaves := t.Leaves()
	var out []Branch
	for _, id := range leaves[max(0, len(leaves)-maxBranches):] {
		leaf, err := t.Turn(id)
		if errors.Is(err, memory.ErrNotFound) { // forgotten: the place is still there to go to
			leaf, err = memory.Turn{ID: id}, nil
		}
		if err != nil {
			return nil, err
		}
		b := Branch{Leaf: leaf, Present: t.OnPath(id)}
		b.Own, b.From = t.Fork(id)
		out = append(out, b)
	}
	return out, nil
}

// GoTo goes to a turn, 0 for the beginning: what is not on its branch is not
// remembered.
func (c *Conversation) GoTo(id uint64) error {
	if id != 0 {
		if _, err := c.thread.Turn(id); err != nil {
			return err
		}
	}
	return c.thread.SetHead(id)
}

// Checkpoints are turns that were given names.
func (c *Conversation) Checkpoints() (map[string]uint64, error) {
	path := filepath.Join(c.dir, checkpointFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]uint64{}, nil
	}
	if err == nil && info.Size() > checkpointBytes {
		err = fmt.Errorf("%d bytes, at most %d", info.Size(), checkpointBytes)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path)
	}
	all := map[string]uint64{}
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("converse: %s: %w", path, err)
	}
	return all, nil
}

// Checkpoint gives the present head, or a turn that is not 0, a name.
func (c *Conversation) Checkpoint(name string, id uint64) error {
	name = strings.TrimSpace(name)
	if name == "" || len(name) > maxCheckpoint || !utf8.ValidString(name) || strings.Trim(name, "0123456789") == "" || strings.ContainsAny(name, "\n/") {
		return ErrCheckpoint
	}
	if id == 0 {
		if id = c.thread.Head(); id == 0 {
			return ErrNothing
		}
	}
	if _, err := c.thread.Turn(id); err != nil {
		return err
	}
	all, err := c.Checkpoints()
	if err != nil {
		return err
	}
	if all[name] = id; len(all) > maxCheckpoints {
		return ErrCheckpoint
	}
	return c.writeCheckpoints(all)
}

// DropCheckpoint takes a name away. What was said stays.
func (c *Conversation) DropCheckpoint(name string) error {
	all, err := c.Checkpoints()
	if err != nil {
		return err
	}
	if _, ok := all[name]; !ok {
		return fmt.Errorf("%q: %w", name, ErrNoCheckpoint)
	}
	delete(all, name)
	return c.writeCheckpoints(all)
}

func (c *Conversation) writeCheckpoints(all map[string]uint64) error {
	data, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = atomicfile.WriteBytes(filepath.Join(c.dir, checkpointFile), data)
	}
	if err != nil {
		return fmt.Errorf("converse: %w", err)
	}
	return nil
}

// FindCheckpoint returns the turn of a checkpoint.
func (c *Conversation) FindCheckpoint(name string) (uint64, error) {
	all, err := c.Checkpoints()
	if err != nil {
		return 0, err
	}
	id, ok := all[name]
	if !ok {
		near := ""
		if len(all) > 0 {
			near = "; there are " + strings.Join(slices.Sorted(maps.Keys(all)), ", ")
		}
		return 0, fmt.Errorf("%q: %w%s", name, ErrNoCheckpoint, near)
	}
	return id, nil
}
