package train

import (
	"fmt"
	"io"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

const (
	plotWidth  = 24 * vg.Centimeter
	plotHeight = 14 * vg.Centimeter
)

// Plot draws the smoothed loss of logs over the steps, as "svg" or "png".
func Plot(w io.Writer, format string, logs ...string) error {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "step", "loss"
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Add(plotter.NewGrid())
	p.Legend.Top = true
	for i, path := range logs {
		lines, err := ReadLog(path)
		if err != nil {
			return fmt.Errorf("train: %w", err)
		}
		var smooth plotter.XYs
		for _, l := range lines {
			if l.Smooth > 0 {
				smooth = append(smooth, plotter.XY{X: float64(l.Step), Y: l.Smooth})
			}
		}
		if len(smooth) == 0 {
			return fmt.Errorf("train: %s: no step with a positive loss to draw", path)
		}
		line, err := plotter.NewLine(smooth)
		if err != nil {
			return fmt.Errorf("train: %s: %w", path, err)
		}
		line.Color, line.Width = plotutil.Color(i), vg.Points(1.5)
		p.Add(line)
		p.Legend.Add(filepath.Base(filepath.Dir(path)), line)
	}
	out, err := p.WriterTo(plotWidth, plotHeight, format)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	_, err = out.WriteTo(w)
	return err
}
