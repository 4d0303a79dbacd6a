package text

import (
	"fmt"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"kuai/internal/draw"
)

// Plot draws what a decoded token costs over the depth, as "svg" or "png".
func Plot(w io.Writer, format string, all []Series) error {
	p := plot.New()
	p.Title.Text = "One token after so many: lightning hybrid, softmax twin, dense Transformer"
	p.X.Label.Text, p.Y.Label.Text = "tokens before", "milliseconds a token"
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	for i, s := range all {
		var points plotter.XYs
		for j, d := range s.Depths {
			points = append(points, plotter.XY{X: float64(d), Y: s.Decode[j]})
		}
		if err := draw.Curve(p, i, s.Model, points); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	p.Y.Min = 0
	if err := draw.Write(w, p, 20, 12, format); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}
