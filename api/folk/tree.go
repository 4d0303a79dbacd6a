package folk

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"kuai/api/wire"
	"kuai/character/converse"
	"kuai/character/memory"
	"kuai/character/persona"
	"kuai/fault"
)

const (
	treeTurns = 200  // of a tree, unless asked otherwise
	mostTurns = 1000 // at once
	fullText  = 4000 // bytes of a turn in a tree; longer ones are cut
)

// decode reads a body of JSON in which nothing is unknown.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fault.New(fault.Invalid, "the body is not the JSON that is wanted: %v", err)
	}
	return nil
}

// shown writes what f returns, or what went wrong.
func shown(f func(w http.ResponseWriter, r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(w, r)
		switch {
		case err != nil:
			failed(w, r, err)
		case v == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			wire.JSON(w, http.StatusOK, v)
		}
	}
}

// walker is a conversation of two or a group, where it walks its tree.
type walker interface {
	Memory() *memory.Thread
	Branches() ([]converse.Branch, error)
	Swipe(by int) (string, error)
	GoTo(turn uint64) error
	Checkpoints() (map[string]uint64, error)
	Checkpoint(name string, turn uint64) error
	DropCheckpoint(name string) error
	FindCheckpoint(name string) (uint64, error)
	Be(p *persona.Persona) error
}

// walks are the routes of a tree of turns, in a conversation of two or a group.
type walks struct {
	people persona.Store
	with   func(r *http.Request, f func(walker) error) error
}

func (t walks) register(mux chi.Router, prefix string) {
	mux.Get(prefix+"/tree", shown(t.tree))
	mux.Get(prefix+"/branches", shown(t.branches))
	mux.Post(prefix+"/goto", shown(t.goTo))
	mux.Put(prefix+"/checkpoints/{name}", shown(t.checkpoint))
	mux.Delete(prefix+"/checkpoints/{name}", shown(t.dropCheckpoint))
	mux.Put(prefix+"/persona", shown(t.be))
}

// node is a turn of a tree on the wire.
type node struct {
	message
	Parent    uint64   `json:"parent"`
	Children  []uint64 `json:"children"`
	Active    bool     `json:"active"` // on the branch that goes on
	Forgotten bool     `json:"forgotten,omitempty"`
}

func number(r *http.Request, name string, missing, least, most int) (int, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, fault.Param(name, "%s is %.20q, want %d to %d", name, s, least, most)
	}
	return n, nil
}

// tree answers with the turns from one on, in the order in which they were
// said, on all branches.
func (t walks) tree(_ http.ResponseWriter, r *http.Request) (any, error) {
	from, err := number(r, "from", 1, 1, 1<<60)
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit", treeTurns, 1, mostTurns)
	if err != nil {
		return nil, err
	}
	out := struct {
		Head        uint64            `json:"head"`
		Turns       []node            `json:"turns"`
		Next        uint64            `json:"next,omitempty"` // from where there are more
		Checkpoints map[string]uint64 `json:"checkpoints"`
	}{Turns: []node{}}
	err = t.with(r, func(c walker) error {
		m := c.Memory()
		out.Head = m.Head()
		for turn, err := range m.Turns(uint64(from)) {
			if err != nil {
				return err
			}
			if len(out.Turns) == limit {
				out.Next = turn.ID
				break
			}
			out.Turns = append(out.Turns, nodeOf(m, turn))
		}
		var err error
		out.Checkpoints, err = c.Checkpoints()
		return err
	})
	return out, err
}

func nodeOf(m *memory.Thread, t memory.Turn) node {
	n := node{message: message{t.ID, t.Time, t.Speaker, t.Text}, Parent: t.Parent, Children: m.Children(t.ID), Active: m.OnPath(t.ID), Forgotten: t.Speaker == ""}
	if len(n.Text) > fullText {
		n.Text = n.Text[:fullText] + "…"
	}
	if n.Children == nil {
		n.Children = []uint64{}
	}
	return n
}

// branch is a way that the conversation took, on the wire.
type branch struct {
	Leaf    uint64    `json:"leaf"`
	Time    time.Time `json:"time"`
	Speaker string    `json:"speaker"`
	Text    string    `json:"text"`
	Turns   int       `json:"turns"` // that the present branch has not
	From    uint64    `json:"from"`  // where it leaves the present branch
	Active  bool      `json:"active"`
}

func (t walks) branches(_ http.ResponseWriter, r *http.Request) (any, error) {
	out := []branch{}
	err := t.with(r, func(c walker) error {
		all, err := c.Branches()
		for _, b := range all {
			n := nodeOf(c.Memory(), b.Leaf)
			out = append(out, branch{b.Leaf.ID, b.Leaf.Time, b.Leaf.Speaker, n.Text, b.Own, b.From, b.Present})
		}
		return err
	})
	return map[string]any{"branches": out}, err
}

// goTo goes to a turn, a checkpoint, or another reply beside the last.
func (t walks) goTo(w http.ResponseWriter, r *http.Request) (any, error) {
	var to struct {
		Turn       *uint64 `json:"turn"`
		Checkpoint string  `json:"checkpoint"`
		Swipe      int     `json:"swipe"`
	}
	if err := decode(w, r, &to); err != nil {
		return nil, err
	}
	asked := 0
	for _, is := range []bool{to.Turn != nil, to.Checkpoint != "", to.Swipe != 0} {
		if is {
			asked++
		}
	}
	if asked != 1 {
		return nil, fault.New(fault.Invalid, `want one of {"turn": 12}, {"checkpoint": "name"}, {"swipe": 1}`)
	}
	head := uint64(0)
	err := t.with(r, func(c walker) (err error) {
		defer func() { head = c.Memory().Head() }()
		if to.Swipe != 0 {
			_, err = c.Swipe(to.Swipe)
			return err
		}
		if to.Turn != nil {
			return c.GoTo(*to.Turn)
		}
		id, err := c.FindCheckpoint(to.Checkpoint)
		if err != nil {
			return err
		}
		return c.GoTo(id)
	})
	return map[string]uint64{"head": head}, err
}

func (t walks) checkpoint(w http.ResponseWriter, r *http.Request) (any, error) {
	var at struct {
		Turn uint64 `json:"turn"` // 0: where the conversation is
	}
	if r.ContentLength != 0 {
		if err := decode(w, r, &at); err != nil {
			return nil, err
		}
	}
	return nil, t.with(r, func(c walker) error { return c.Checkpoint(chi.URLParam(r, "name"), at.Turn) })
}

func (t walks) dropCheckpoint(_ http.ResponseWriter, r *http.Request) (any, error) {
	return nil, t.with(r, func(c walker) error { return c.DropCheckpoint(chi.URLParam(r, "name")) })
}

// be chooses whom the user says to be; "" is nobody in particular.
func (t walks) be(w http.ResponseWriter, r *http.Request) (any, error) {
	var who struct {
		Persona string `json:"persona"`
	}
	if err := decode(w, r, &who); err != nil {
		return nil, err
	}
	return nil, t.with(r, func(c walker) error {
		if who.Persona == "" {
			return c.Be(nil)
		}
		p, err := t.people.Get(user(r), who.Persona)
		if err != nil {
			return err
		}
		return c.Be(&p)
	})
}

// whose maps what went wrong with personas, groups and trees.
func whose(err error) error {
	if told, ok := errors.AsType[*fault.Error](err); ok {
		return told
	}
	for _, e := range invalid {
		if errors.Is(err, e) {
			return fault.New(fault.Invalid, "%v", err)
		}
	}
	for _, e := range missing {
		if errors.Is(err, e) {
			return fault.New(fault.NotFound, "%v", err)
		}
	}
	for _, e := range taken {
		if errors.Is(err, e) {
			return fault.New(fault.Conflict, "%v", err)
		}
	}
	return err
}
