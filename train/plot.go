package train

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

const (
	plotWidth  = 24 * vg.Centimeter
	plotHeight = 14 * vg.Centimeter
)

// rawPoints bounds the points of a raw curve; more of them only blacken it.
const rawPoints = 600

// Plot draws the losses of logs over the steps, as "svg" or "png": the smoothed
// one, and the raw one thin behind it.
func Plot(w io.Writer, format string, logs ...string) error {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "step", "loss"
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.TickerFunc(lossTicks)
	p.Add(plotter.NewGrid())
	p.Legend.Top = true
	for i, path := range logs {
		lines, err := ReadLog(path)
		if err != nil {
			return fmt.Errorf("train: %w", err)
		}
		var smooth, raw plotter.XYs
		every := len(lines)/rawPoints + 1
		for i, l := range lines {
			if l.Smooth > 0 {
				smooth = append(smooth, plotter.XY{X: float64(l.Step), Y: l.Smooth})
			}
			if l.Loss > 0 && i%every == 0 {
				raw = append(raw, plotter.XY{X: float64(l.Step), Y: l.Loss})
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
		if len(raw) > 0 {
			thin, err := plotter.NewLine(raw)
			if err != nil {
				return fmt.Errorf("train: %s: %w", path, err)
			}
			thin.Color, thin.Width = pale(line.Color), vg.Points(0.5)
			p.Add(thin)
		}
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

// pale mixes a colour with white.
func pale(c color.Color) color.Color {
	r, g, b, _ := c.RGBA()
	mix := func(v uint32) uint8 { return uint8((v>>8 + 2*255) / 3) }
	return color.NRGBA{R: mix(r), G: mix(g), B: mix(b), A: 255}
}

// lossTicks marks 1, 2 and 5 of each power of ten, and more where the range is
// narrow.
func lossTicks(low, high float64) []plot.Tick {
	steps := []float64{1, 2, 5}
	if high < 4*low {
		steps = []float64{1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9}
	}
	var ticks []plot.Tick
	for p := math.Floor(math.Log10(low)); p <= math.Ceil(math.Log10(high)); p++ {
		for _, s := range steps {
			v := s * math.Pow(10, p)
			ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 3, 64)})
		}
	}
	return ticks
}
