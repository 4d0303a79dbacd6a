// Package draw has what the drawings of measurements share.
package draw

import (
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// Curve adds the i-th line with dots and its name to a plot.
func Curve(p *plot.Plot, i int, name string, points plotter.XYs) error {
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, dots.Color = plotutil.Color(i), plotutil.Color(i)
	line.Width = vg.Points(1.5)
	p.Add(line, dots)
	p.Legend.Add(name, line, dots)
	return nil
}

// Write writes a plot as "svg" or "png"; the sides are in centimetres.
func Write(w io.Writer, p *plot.Plot, width, height float64, format string) error {
	out, err := p.WriterTo(vg.Length(width)*vg.Centimeter, vg.Length(height)*vg.Centimeter, format)
	if err != nil {
		return err
	}
	_, err = out.WriteTo(w)
	return err
}
