package folk

import (
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"

	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/character/converse"
	"kuai/character/group"
	"kuai/fault"
)

// groups are the routes of conversations of several characters.
type groups struct {
	house *converse.House
	room  *talk.Room
}

func (g groups) register(mux chi.Router) {
	const one = "/api/v1/groups/{id}"
	mux.Get("/api/v1/groups", shown(g.list))
	mux.Post("/api/v1/groups", g.create)
	mux.Get(one, shown(g.get))
	mux.Patch(one, shown(g.edit))
	mux.Delete(one, shown(g.remove))
	mux.Get(one+"/messages", shown(g.said))
	mux.Post(one+"/messages", g.say)
	walks{g.house.People, func(r *http.Request, f func(walker) error) error {
		return g.with(r, func(t *converse.Group) error { return f(t) })
	}}.register(mux, one)
}

// with calls f with the group that a request's path and query name.
func (g groups) with(r *http.Request, f func(*converse.Group) error) error {
	l, err := language(r.URL.Query().Get("language"))
	if err != nil {
		return err
	}
	return g.house.WithGroup(r.Context(), chi.URLParam(r, "id"), user(r), l, f)
}

func (g groups) list(_ http.ResponseWriter, r *http.Request) (any, error) {
	all, broken := g.house.Groups().List(user(r))
	for _, err := range broken {
		if whose(err) != err { //nolint:errorlint // whether it is the caller's
			return nil, err
		}
		slog.Warn("a group cannot be read", "error", err)
	}
	return map[string]any{"groups": append([]group.Group{}, all...)}, nil
}

// seats are who is in a group, in a request.
type seats struct {
	Name    string      `json:"name"`
	Order   group.Order `json:"order"`
	Members []string    `json:"members"` // ids of characters
}

func (g groups) create(w http.ResponseWriter, r *http.Request) {
	var s seats
	err := decode(w, r, &s)
	l, e := language(r.URL.Query().Get("language"))
	if err == nil {
		err = e
	}
	var made group.Group
	if err == nil && len(s.Members) > group.MaxMembers {
		err = fault.Param("members", "%d members, at most %d", len(s.Members), group.MaxMembers)
	}
	if err == nil {
		made.Members, err = converse.Members(g.house.Shelf, s.Members, l)
	}
	if err == nil {
		made.Name, made.Order = s.Name, s.Order
		made, err = g.house.Groups().Create(user(r), made)
	}
	if err != nil {
		failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusCreated, made)
}

func (g groups) get(_ http.ResponseWriter, r *http.Request) (any, error) {
	return g.house.Groups().Get(user(r), chi.URLParam(r, "id"))
}

// edit changes a group: who comes and goes, who is silent, who answers.
func (g groups) edit(w http.ResponseWriter, r *http.Request) (any, error) {
	var c struct {
		Name   string      `json:"name"`
		Order  group.Order `json:"order"`
		Join   []string    `json:"join"`
		Leave  []string    `json:"leave"`
		Mute   []string    `json:"mute"`
		Unmute []string    `json:"unmute"`
	}
	if err := decode(w, r, &c); err != nil {
		return nil, err
	}
	l, err := language(r.URL.Query().Get("language"))
	if err != nil {
		return nil, err
	}
	var out group.Group
	err = g.with(r, func(t *converse.Group) error { // while nobody speaks
		out = t.Group
		if c.Name != "" {
			out.Name = c.Name
		}
		if c.Order != "" {
			out.Order = c.Order
		}
		members, err := converse.Members(g.house.Shelf, c.Join, l)
		if err != nil {
			return err
		}
		out.Members = append(append([]group.Member{}, out.Members...), members...)
		for muted, who := range map[bool][]string{true: c.Mute, false: c.Unmute} {
			for _, w := range who {
				i, err := out.Find(w)
				if err != nil {
					return err
				}
				out.Members[i].Muted = muted
			}
		}
		for _, w := range c.Leave {
			i, err := out.Find(w)
			if err != nil {
				return err
			}
			out.Members = append(out.Members[:i], out.Members[i+1:]...)
		}
		return g.house.Groups().Save(user(r), out)
	})
	return out, err
}

func (g groups) remove(_ http.ResponseWriter, r *http.Request) (any, error) {
	return nil, g.house.ForgetGroup(chi.URLParam(r, "id"), user(r))
}

// line is what one member says, on the wire.
type line struct {
	Who string `json:"who"` // "" for the owner's rules
	answer
}

func (g groups) said(_ http.ResponseWriter, r *http.Request) (any, error) {
	n, err := number(r, "last", lastSaid, 1, mostSaid)
	if err != nil {
		return nil, err
	}
	out := struct {
		Greetings []map[string]string `json:"greetings,omitempty"`
		Persona   string              `json:"persona,omitempty"` // whom the user says to be
		Messages  []message           `json:"messages"`
	}{Messages: []message{}}
	err = g.with(r, func(t *converse.Group) error {
		turns, err := t.Memory().Last(n)
		for _, turn := range turns {
			out.Messages = append(out.Messages, message{turn.ID, turn.Time, turn.Speaker, turn.Text})
		}
		if t.Persona != nil {
			out.Persona = t.Persona.ID
		}
		for _, h := range t.Greetings() {
			out.Greetings = append(out.Greetings, map[string]string{"who": h.Who, "text": h.Text})
		}
		return err
	})
	return out, err
}

// groupSaying is the body of a request to say something in a group.
type groupSaying struct {
	Text     string   `json:"text"`
	Who      []string `json:"who"`   // who answers; the group's order where nobody is named
	Speak    string   `json:"speak"` // instead of a text: who speaks next
	Again    bool     `json:"again"`
	Continue bool     `json:"continue"`
	Edit     uint64   `json:"edit"` // the turn of the user's that the text takes the place of
	Stream   bool     `json:"stream"`
}

// say lets members answer: whole, or as server-sent events, {"who", "delta"} for
// each piece and all answers last.
func (g groups) say(w http.ResponseWriter, r *http.Request) {
	var s groupSaying
	if err := decode(w, r, &s); err != nil {
		failed(w, r, err)
		return
	}
	out := newTeller(w, r, s.Stream)
	defer out.close()
	show := converse.Told(nil)
	if s.Stream {
		show = func(who, piece string) { out.send("", map[string]string{"who": who, "delta": piece}) }
	}
	var replies []converse.Reply
	err := g.with(r, func(t *converse.Group) error {
		var err error
		t.Till = newTill(g.room, g.house, w, r, t.Conversation)
		replies, err = s.do(r, t, show)
		return err
	})
	lines := []line{}
	for _, reply := range replies {
		lines = append(lines, line{reply.Who, answerOf(reply)})
	}
	out.end(map[string]any{"replies": lines}, err)
}

func (s *groupSaying) do(r *http.Request, t *converse.Group, show converse.Told) ([]converse.Reply, error) {
	var one converse.Reply
	var err error
	switch {
	case s.Again:
		one, err = t.Again(r.Context(), show)
	case s.Continue:
		one, err = t.Continue(r.Context(), show)
	case s.Speak != "":
		one, err = t.Speak(r.Context(), s.Speak, show)
	case s.Edit != 0:
		return t.Edit(r.Context(), s.Edit, s.Text, show)
	default:
		return t.Say(r.Context(), s.Text, s.Who, show)
	}
	return []converse.Reply{one}, err
}
