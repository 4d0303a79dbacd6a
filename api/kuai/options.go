package kuai

import (
	"net/http"

	"kuai/api/clip"
	"kuai/api/gate"
	"kuai/api/openai"
	"kuai/api/wire"
	"kuai/video"
)

// options is what clips can be like, so that a page offers that and no more.
type options struct {
	Model   string             `json:"model"`
	Models  []string           `json:"models"`         // all that make clips, the usual one first
	Size    int                `json:"size,omitempty"` // of a side, in pixels
	Frames  int                `json:"frames,omitempty"`
	FPS     int                `json:"fps,omitempty"`
	Formats []string           `json:"formats"`
	Begin   []string           `json:"begin_with_picture,omitempty"` // models whose clips do
	Words   []video.SlotConfig `json:"words"`                        // that the model knows
}

// options answers with what the model can make and which words it knows.
func (v videos) options(w http.ResponseWriter, r *http.Request) {
	if _, err := gate.Enter(v.gate, w.Header(), r, gate.Work{Dialect: "kuai", Endpoint: wire.Route(r), Scope: gate.ScopeModels}); err != nil {
		openai.Failed(w, r, err)
		return
	}
	side, _ := v.room.Sides(&clip.Order{Model: clip.Model})
	o := options{Model: clip.Model, Models: v.room.Models(), Size: side, Formats: []string{"webm", "mp4", "gif", "webp", "png", "zip"}, Words: []video.SlotConfig{}}
	for _, f := range v.room.Videos.Forms() {
		if f.Picture {
			o.Begin = append(o.Begin, f.Name)
		}
	}
	if s, ok := v.room.Videos.Shape(); ok {
		o.Frames, o.FPS = s.Frames(), s.FPS()
		if known, ok := s.(interface{ Words() []video.SlotConfig }); ok {
			o.Words = known.Words()
		}
	}
	wire.JSON(w, http.StatusOK, o)
}
