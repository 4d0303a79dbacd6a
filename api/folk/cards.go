package folk

import (
	"errors"
	"io"
	"net/http"

	"kuai/api/wire"
	"kuai/character/card"
	"kuai/character/shelf"
	"kuai/companion/fact"
	"kuai/fault"
)

// maxCard bounds a card that is sent: a PNG portrait, or a charx with pictures.
const maxCard = 20 << 20

// forms are those that a card is given away in.
var forms = map[string]struct {
	kind, ending string
	make         func(*card.Card) ([]byte, error)
}{
	"":      {"application/json", "json", func(c *card.Card) ([]byte, error) { return c.JSON(card.SpecV3) }},
	"v3":    {"application/json", "json", func(c *card.Card) ([]byte, error) { return c.JSON(card.SpecV3) }},
	"v2":    {"application/json", "json", func(c *card.Card) ([]byte, error) { return c.JSON(card.SpecV2) }},
	"png":   {"image/png", "png", (*card.Card).PNG},
	"charx": {"application/zip", "charx", (*card.Card).Archive},
}

// keeper refuses those who do not run the installation: the shelf is
// everybody's.
func keeper(r *http.Request) error {
	if runs, _ := r.Context().Value(adminKey{}).(bool); !runs {
		return fault.New(fault.Forbidden, "only who runs the installation brings characters in and takes them away")
	}
	return nil
}

// cardOf reads which character is meant.
func (c characters) cardOf(r *http.Request) (*card.Card, error) {
	l, err := language(r.URL.Query().Get("language"))
	if err != nil {
		return nil, err
	}
	return c.house.Shelf.Card(r.PathValue("id"), l)
}

// export sends a character's card: v3 or v2 as JSON, png or charx.
func (c characters) export(w http.ResponseWriter, r *http.Request) {
	form, ok := forms[r.URL.Query().Get("format")]
	if !ok {
		failed(w, r, fault.Param("format", "format is %.20q, want v3, v2, png or charx", r.URL.Query().Get("format")))
		return
	}
	of, err := c.cardOf(r)
	var data []byte
	if err == nil {
		data, err = form.make(of)
	}
	if err != nil {
		failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", form.kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("download") != "" {
		w.Header().Set("Content-Disposition", `attachment; filename="`+shelf.ID(of.Name)+"."+form.ending+`"`)
	}
	_, _ = w.Write(data) // the client has gone
}

// portrait sends a character's picture, if its card has one.
func (c characters) portrait(w http.ResponseWriter, r *http.Request) {
	of, err := c.cardOf(r)
	if err == nil && of.Portrait == nil {
		err = fault.New(fault.NotFound, "the character has no portrait")
	}
	if err != nil {
		failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(of.Portrait) // the client has gone
}

// imported keeps a card that is sent as it is: PNG, charx or JSON. With
// ?replace=true it may take the place of one of the same name.
func (c characters) imported(w http.ResponseWriter, r *http.Request) {
	if err := keeper(r); err != nil {
		failed(w, r, err)
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCard))
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		failed(w, r, fault.New(fault.Invalid, "the card is larger than %d MB", maxCard>>20))
		return
	}
	var of *card.Card
	if err == nil {
		if of, err = card.Parse(data); err != nil {
			err = fault.New(fault.Invalid, "this is no character card: %v", err)
		}
	}
	var id string
	if err == nil {
		id, err = c.house.Shelf.Import(of, r.URL.Query().Get("replace") == "true")
	}
	if errors.Is(err, shelf.ErrExists) {
		err = fault.New(fault.Conflict, "there is a character called %.80s already", of.Name)
	}
	if err != nil {
		failed(w, r, err)
		return
	}
	wire.JSON(w, http.StatusCreated, shelf.Entry{ID: id, Name: of.Name})
}

// remove takes an imported character away. What was said with it stays on the
// disk until it is forgotten.
func (c characters) remove(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	err := keeper(r)
	if err == nil {
		_, err = c.house.Shelf.Card(id, fact.English)
	}
	if err == nil {
		err = c.house.Shelf.Delete(id)
	}
	if errors.Is(err, shelf.ErrBuiltIn) {
		err = fault.New(fault.Forbidden, "%.80s comes with Kuai and stays", id)
	}
	if err != nil {
		failed(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
