package render

import (
	"bytes"
	"log/slog"
	"time"

	"kuai/media"
	"kuai/platform/job"
)

const (
	// firstPreview is the step from which a picture shows more than noise.
	firstPreview = 3
	// previewShare is the part of the time that previews may take, as a divisor:
	// two per cent.
	previewShare = 50
)

// previews keeps the time that previews take within their share.
type previews struct {
	spent, last time.Duration
}

// due says whether there is time for another preview.
func (p *previews) due(step int, elapsed time.Duration) bool {
	return step >= firstPreview && p.spent+p.last <= elapsed/previewShare
}

func (p *previews) took(d time.Duration) {
	p.spent, p.last = p.spent+d, d
}

// preview shows what a clip is going to be, in the model's own size: small, and
// players enlarge it.
func preview(r job.Report, c *media.Clip) {
	var png bytes.Buffer
	if err := media.Encode(&png, media.PNG, c, media.Options{Scale: 1}); err != nil {
		slog.Warn("a preview cannot be encoded", "error", err)
		return
	}
	r.Preview(job.Preview{Type: media.PNG.ContentType(), Data: png.Bytes()})
}
