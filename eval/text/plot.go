package text

import (
	"fmt"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
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
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		line.Color, dots.Color = plotutil.Color(i), plotutil.Color(i)
		line.Width = vg.Points(1.5)
		p.Add(line, dots)
		p.Legend.Add(s.Model, line, dots)
	}
	p.Y.Min = 0
	out, err := p.WriterTo(20*vg.Centimeter, 12*vg.Centimeter, format)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	_, err = out.WriteTo(w)
	return err
}
