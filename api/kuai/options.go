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
	Forms   []form             `json:"forms,omitempty"` // of models of other servers
	Words   []video.SlotConfig `json:"words"`           // that the model knows
}

// form is what the clips of a model of other servers are like.
type form struct {
	Model   string `json:"model"`
	Width   int    `json:"width"`
	Height  int    `json:"height"`
	Frames  int    `json:"frames"` // at most, and where nobody says
	FPS     int    `json:"fps"`
	Stride  int    `json:"stride"` // a clip has a multiple of it and one frames
	Picture bool   `json:"begins_with_picture,omitempty"`
	// Takes are those of seed, steps, guidance and frames, the length, that change a clip.
	Takes []string `json:"takes"`
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
		o.Forms = append(o.Forms, form{f.Name, f.Width, f.Height, f.Frames, f.FPS, max(f.Stride, 1), f.Picture, append([]string{}, f.Takes...)})
	}
	if s, ok := v.room.Videos.Shape(); ok {
		o.Frames, o.FPS = s.Frames(), s.FPS()
		if known, ok := s.(interface{ Words() []video.SlotConfig }); ok {
			o.Words = known.Words()
		}
	}
	wire.JSON(w, http.StatusOK, o)
}
