package memory

import (
	"fmt"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"kuai/internal/draw"
	"kuai/internal/report"
)

// curve is a figure of each size of lives, by the beginning of its name.
type curve struct{ prefix, name string }

// Plots are the two drawings of a report of Life: what is answered, and what a
// turn takes, over the characters that were told.
var Plots = []struct {
	File   string
	title  string
	y      string
	log    bool
	legend vg.Length // above the bottom, where no curve is
	curves []curve
}{
	{"answers", "Answers after so many characters", "of questions", false, 4 * vg.Centimeter, []curve{
		{"right_", "right"}, {"false_", "made up, of what was never told"}, {"stale_", "stale, after an update"}, {"evidence_", "evidence in the pack"},
	}},
	{"turn", "A turn after so many characters", "milliseconds", true, 1.2 * vg.Centimeter, []curve{
		{"recall_ms_", "recall, median"}, {"recall_p95_ms_", "recall, 95th percentile"}, {"reply_ms_", "reply, median"}, {"reread_ms_", "instead: reading it all again"},
	}},
}

// Plot draws one of Plots as "svg" or "png".
func Plot(w io.Writer, format string, which int, rep *report.Report) error {
	d := Plots[which]
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = d.title, "characters", d.y
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	if d.log {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	} else {
		p.Y.Min, p.Y.Max = 0, 1
	}
	p.Add(plotter.NewGrid())
	for i, c := range d.curves {
		var points plotter.XYs
		for _, size := range Sizes {
			for _, b := range rep.Bars {
				if b.Name == c.prefix+sizeName(size.Characters) && b.Value != nil && (*b.Value > 0 || !d.log) {
					points = append(points, plotter.XY{X: float64(size.Characters), Y: *b.Value})
				}
			}
		}
		if points == nil {
			continue
		}
		if err := draw.Curve(p, i, c.name, points); err != nil {
			return fmt.Errorf("memory: %w", err)
		}
	}
	p.Legend.Left, p.Legend.YOffs = true, d.legend
	if err := draw.Write(w, p, 18, 11, format); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	return nil
}
