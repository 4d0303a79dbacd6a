package folk

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"

	"kuai/api/wire"
	"kuai/character/converse"
	"kuai/character/group"
	"kuai/character/memory"
	"kuai/character/persona"
	"kuai/character/shelf"
	"kuai/fault"
	"kuai/serve/upstream"
)

// What goes wrong in the house, by the code that a client sees.
var (
	invalid = []error{
		converse.ErrEmpty, converse.ErrLong, converse.ErrUser, converse.ErrNothing, converse.ErrFinished, converse.ErrNotYours, converse.ErrCheckpoint,
		persona.ErrUser, persona.ErrInvalid, group.ErrInvalid,
	}
	missing = []error{shelf.ErrNotFound, memory.ErrNotFound, converse.ErrNoCheckpoint, persona.ErrNotFound, group.ErrNotFound, group.ErrMember}
	taken   = []error{persona.ErrExists, group.ErrExists}
)

// elsewhere says whether a model of another server failed, and what it said.
func elsewhere(err error) (error, bool) {
	if e, ok := errors.AsType[*upstream.StatusError](err); ok {
		return fault.Wrap(err, fault.Overloaded, "the server of the characters' model answered %d", e.Status), true
	}
	if errors.Is(err, upstream.ErrBroken) {
		return fault.Wrap(err, fault.Overloaded, "the server of the characters' model broke off; try again"), true
	}
	return nil, false
}

// persons are the routes of personas, and of people.
type persons struct{ house *converse.House }

func (p persons) register(mux chi.Router) {
	mux.Get("/api/v1/personas", shown(p.list))
	mux.Post("/api/v1/personas", p.add)
	mux.Get("/api/v1/personas/{id}", shown(p.get))
	mux.Patch("/api/v1/personas/{id}", shown(p.edit))
	mux.Delete("/api/v1/personas/{id}", shown(p.remove))
	mux.Delete("/api/v1/people/{user}", shown(p.forget))
}

func (p persons) list(_ http.ResponseWriter, r *http.Request) (any, error) {
	all, broken := p.house.People.List(user(r))
	for _, err := range broken {
		if errors.Is(err, persona.ErrUser) {
			return nil, err
		}
		slog.Warn("a persona cannot be read", "error", err)
	}
	return map[string]any{"personas": append([]persona.Persona{}, all...)}, nil
}

// described is a persona in a request.
type described struct {
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Pronouns    *string `json:"pronouns"`
}

func (d described) onto(p persona.Persona) persona.Persona {
	for to, from := range map[*string]*string{&p.Name: d.Name, &p.Description: d.Description, &p.Pronouns: d.Pronouns} {
		if from != nil {
			*to = *from
		}
	}
	return p
}

func (p persons) add(w http.ResponseWriter, r *http.Request) {
	var d described
	err := decode(w, r, &d)
	var made persona.Persona
	if err == nil {
		made, err = p.house.People.Add(user(r), d.onto(made))
	}
	if err != nil {
		failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusCreated, made)
}

func (p persons) get(_ http.ResponseWriter, r *http.Request) (any, error) {
	return p.house.People.Get(user(r), chi.URLParam(r, "id"))
}

func (p persons) edit(w http.ResponseWriter, r *http.Request) (any, error) {
	var d described
	if err := decode(w, r, &d); err != nil {
		return nil, err
	}
	was, err := p.house.People.Get(user(r), chi.URLParam(r, "id"))
	if err != nil {
		return nil, err
	}
	now := d.onto(was)
	if err := p.house.People.Edit(user(r), now); err != nil {
		return nil, err
	}
	return p.house.People.Get(user(r), was.ID)
}

func (p persons) remove(_ http.ResponseWriter, r *http.Request) (any, error) {
	return nil, p.house.People.Delete(user(r), chi.URLParam(r, "id"))
}

// forget deletes everything of a user's: conversations with all characters,
// groups, personas.
func (p persons) forget(_ http.ResponseWriter, r *http.Request) (any, error) {
	return nil, p.house.ForgetPerson(userOf(r, chi.URLParam(r, "user")))
}
