package media

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkEncode writes two seconds at the sizes that clips are shown at.
func BenchmarkEncode(b *testing.B) {
	for _, scale := range []int{4, 6} {
		c, err := sample(25).Upscale(scale)
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range Formats {
			b.Run(fmt.Sprintf("format=%s/side=%d", f, c.Width), func(b *testing.B) {
				var out bytes.Buffer
				for b.Loop() {
					out.Reset()
					if err := Encode(&out, f, c, Options{}); err != nil {
						b.Fatal(err)
					}
				}
				frames := float64(b.N * len(c.Frames))
				b.ReportMetric(b.Elapsed().Seconds()*1000/frames, "ms/frame")
				b.ReportMetric(float64(out.Len()), "bytes")
			})
		}
		b.Run(fmt.Sprintf("upscale/side=%d", c.Width), func(b *testing.B) {
			small := sample(25)
			for b.Loop() {
				if _, err := small.Upscale(scale); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N*25), "ms/frame")
		})
	}
}
