// Package eval measures models.
//
// The video suite asks an independent judge what generated clips show: small
// networks that were trained by our own trainer on rendered clips alone, never
// on generated ones, and whose accuracy on held-out renders is reported beside
// every figure.
package eval

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"kuai/format/safetensors"
	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/vec"
	"kuai/media"
	"kuai/nn"
	"kuai/train"
	"kuai/world"
)

const (
	judgeSize     = 64 // pixels on a side that the judge looks at
	motionSize    = 32 // of the pictures that motion is told from
	motionFrames  = 12 // every second frame
	featureWidth  = 192
	motionWidth   = 128
	queryHeads    = 6
	pictureFrames = 4 // of a clip, by which object, scene and time are told
)

// Judge tells what a clip shows: object, scene and time of day from single
// frames, the motion from how the frames differ from the clip's median.
type Judge struct {
	Picture *pictureNet `name:"picture"`
	Motion  *motionNet  `name:"motion"`
}

// NewJudge returns a judge with fresh weights.
func NewJudge(r *rand.Rand) *Judge {
	return &Judge{Picture: newPictureNet(r), Motion: newMotionNet(r)}
}

// OpenJudge returns the judge whose weights a file holds.
func OpenJudge(f *safetensors.File) (*Judge, error) {
	j := NewJudge(rand.New(rand.NewPCG(0, 0)))
	return j, nn.Load(j, f)
}

// block is a residual pair of convolutions.
type block struct {
	Norm1 *nn.RMSNorm      `name:"norm1"`
	Conv1 *nn.CausalConv3D `name:"conv1"`
	Norm2 *nn.RMSNorm      `name:"norm2"`
	Conv2 *nn.CausalConv3D `name:"conv2"`
}

func newBlock(r *rand.Rand, width, kt int) *block {
	b := &block{
		Norm1: nn.NewRMSNorm(width), Conv1: nn.NewCausalConv3D(r, width, width, kt, 3, 3),
		Norm2: nn.NewRMSNorm(width), Conv2: nn.NewCausalConv3D(r, width, width, kt, 3, 3),
	}
	clear(b.Conv2.W.X)
	return b
}

func (b *block) forward(t *grad.Tape, x *grad.Var) *grad.Var {
	h := b.Conv1.Forward(t, nn.SiLU(t, b.Norm1.Forward(t, x)))
	h = b.Conv2.Forward(t, nn.SiLU(t, b.Norm2.Forward(t, h)))
	return nn.Add(t, x, h)
}

// pictureNet looks at single frames [B, 1, 64, 64, 3].
type pictureNet struct {
	In     *nn.CausalConv3D `name:"in"`
	Block1 *block           `name:"block1"`
	Down1  *nn.Linear       `name:"down1"`
	Block2 *block           `name:"block2"`
	Down2  *nn.Linear       `name:"down2"`
	Block3 *block           `name:"block3"`
	Norm   *nn.RMSNorm      `name:"norm"`
	Query  *nn.Embedding    `name:"query"` // where to look for the object
	Key    *nn.Linear       `name:"key"`
	Value  *nn.Linear       `name:"value"`
	Object *nn.Linear       `name:"object"`
	Scene  *nn.Linear       `name:"scene"`
	Time   *nn.Linear       `name:"time"`
}

func newPictureNet(r *rand.Rand) *pictureNet {
	return &pictureNet{
		In:     nn.NewCausalConv3D(r, 48, 48, 1, 3, 3),
		Block1: newBlock(r, 48, 1),
		Down1:  nn.NewLinear(r, 4*48, 128, true),
		Block2: newBlock(r, 128, 1),
		Down2:  nn.NewLinear(r, 4*128, featureWidth, true),
		Block3: newBlock(r, featureWidth, 1),
		Norm:   nn.NewRMSNorm(featureWidth),
		Query:  nn.NewEmbedding(r, 1, featureWidth),
		Key:    nn.NewLinear(r, featureWidth, featureWidth, false),
		Value:  nn.NewLinear(r, featureWidth, featureWidth, true),
		Object: nn.NewLinear(r, featureWidth, len(world.Objects), true),
		Scene:  nn.NewLinear(r, featureWidth, len(world.Scenes), true),
		Time:   nn.NewLinear(r, featureWidth, len(world.Times), true),
	}
}

// forward returns the features [B, D] of the whole picture, and of the places
// that a learned query attends to: the object's, which is small.
func (p *pictureNet) forward(t *grad.Tape, x *grad.Var) (whole, object *grad.Var) {
	x = p.Block1.forward(t, p.In.Forward(t, nn.Unshuffle(t, x, 1, 4)))
	x = p.Block2.forward(t, p.Down1.Forward(t, nn.Unshuffle(t, x, 1, 2)))
	x = p.Block3.forward(t, p.Down2.Forward(t, nn.Unshuffle(t, x, 1, 2))) // [B, 1, 4, 4, D]
	x = nn.SiLU(t, p.Norm.Forward(t, x))

	b, n := x.Dim(0), x.Len()/(x.Dim(0)*featureWidth)
	heads := func(v *grad.Var, n int) *grad.Var {
		return nn.Reshape(t, v, b, n, queryHeads, featureWidth/queryHeads)
	}
	q := heads(p.Query.Forward(t, make([]int32, b), b), 1)
	o := nn.SoftmaxAttention(t, q, heads(p.Key.Forward(t, x), n), heads(p.Value.Forward(t, x), n), nil)
	return pool(t, x), nn.Reshape(t, o, b, featureWidth)
}

// motionNet looks at differences from the median [B, 12, 32, 32, 3].
type motionNet struct {
	In     *nn.CausalConv3D `name:"in"`
	Block1 *block           `name:"block1"`
	Down1  *nn.Linear       `name:"down1"`
	Block2 *block           `name:"block2"`
	Norm   *nn.RMSNorm      `name:"norm"`
	Out    *nn.Linear       `name:"out"`
}

func newMotionNet(r *rand.Rand) *motionNet {
	return &motionNet{
		In:     nn.NewCausalConv3D(r, 2*48, 64, 3, 3, 3),
		Block1: newBlock(r, 64, 2),
		Down1:  nn.NewLinear(r, 8*64, motionWidth, true),
		Block2: newBlock(r, motionWidth, 2),
		Norm:   nn.NewRMSNorm(motionWidth),
		Out:    nn.NewLinear(r, 3*4*4*motionWidth, len(world.Motions), true),
	}
}

// forward returns the features [B, 3·4·4·D], which know where and when.
func (m *motionNet) forward(t *grad.Tape, x *grad.Var) *grad.Var {
	x = m.Block1.forward(t, m.In.Forward(t, nn.Unshuffle(t, x, 2, 4))) // [B, 6, 8, 8, ·]
	x = m.Block2.forward(t, m.Down1.Forward(t, nn.Unshuffle(t, x, 2, 2)))
	x = nn.SiLU(t, m.Norm.Forward(t, x)) // [B, 3, 4, 4, D]
	return nn.Reshape(t, x, x.Dim(0), x.Len()/x.Dim(0))
}

// pool averages [B, T, H, W, D] to [B, D].
func pool(t *grad.Tape, x *grad.Var) *grad.Var {
	b, d := x.Dim(0), x.Dim(4)
	n := x.Len() / (b * d)
	lens := make([]int32, b)
	for i := range lens {
		lens[i] = int32(n)
	}
	return nn.MeanPool(t, nn.Reshape(t, x, b, n, d), lens)
}

// judgeSplits are where the judge's clips come from. It must know every
// combination, or it learns which never occur; it is the generator that never
// sees the held-out ones. judgeSeed keeps its clips apart from those that the
// suite asks about.
var judgeSplits = [...]world.Split{world.Train, world.HeldOut, world.Train, world.Val}

const judgeSeed = 1 << 32

// Task trains a judge on rendered clips.
type Task struct {
	Judge *Judge
	World *world.World
	Seed  uint64
	Clips int // a step
}

// Clips is a batch of what the judge sees.
type Clips struct {
	Pictures []float32 // [B·4, 1, 64, 64, 3]
	Motions  []float32 // [B, 12, 32, 32, 3]
	Specs    []world.Spec
}

// Module returns the judge.
func (k *Task) Module() any { return k.Judge }

// Batch renders the clips of a step and disturbs them a little: brightness,
// colours, blur and noise, so that the judge does not hang on details that a
// generated clip lacks.
func (k *Task) Batch(step int) (Clips, error) {
	c := Clips{Specs: make([]world.Spec, k.Clips)}
	for i := range c.Specs {
		index := uint64(step*k.Clips + i)
		c.Specs[i] = world.Sample(judgeSplits[i%len(judgeSplits)], k.Seed+judgeSeed, index)
		frames := render(k.World, c.Specs[i])
		var key [32]byte
		binary.LittleEndian.PutUint64(key[:], index)
		r := rand.New(rand.NewChaCha8(key))
		disturb(frames, r)
		for range pictureFrames {
			c.Pictures = append(c.Pictures, frames[r.IntN(len(frames))]...)
		}
		c.Motions = append(c.Motions, motionInput(frames)...)
	}
	return c, nil
}

// render returns a clip's frames as values in [-1, 1].
func render(w *world.World, s world.Spec) [][]float32 {
	buf := make([]byte, world.Frames*judgeSize*judgeSize*3)
	w.Render(buf, s, judgeSize)
	n := judgeSize * judgeSize * 3
	frames := make([][]float32, world.Frames)
	for i := range frames {
		frames[i] = unit(buf[i*n : (i+1)*n])
	}
	return frames
}

func unit(b []byte) []float32 {
	x := make([]float32, len(b))
	for i, v := range b {
		x[i] = float32(v)/127.5 - 1
	}
	return x
}

// disturb changes all frames of a clip alike, and adds noise to each.
func disturb(frames [][]float32, r *rand.Rand) {
	var gain, bias [3]float32
	for k := range gain {
		gain[k] = 1 + 0.16*(r.Float32()-0.5)
		bias[k] = 0.10 * (r.Float32() - 0.5)
	}
	noise := 0.05 * r.Float32()
	blurs := r.IntN(3)
	for _, f := range frames {
		for range blurs {
			blur(f, judgeSize)
		}
		for i := range f {
			f[i] = f[i]*gain[i%3] + bias[i%3] + noise*(r.Float32()*2-1)
		}
	}
}

// blur averages each pixel with its four neighbours.
func blur(f []float32, size int) {
	row := size * 3
	src := slices.Clone(f)
	for i := row + 3; i+row+3 < len(f); i++ {
		f[i] = 0.4*src[i] + 0.15*(src[i-3]+src[i+3]+src[i-row]+src[i+row])
	}
}

// motionInput shows how every second frame, at half size, differs from the
// clip's median.
func motionInput(frames [][]float32) []float32 {
	n := motionSize * motionSize * 3
	small := make([][]float32, motionFrames)
	for i := range small {
		small[i] = halve(frames[2*i])
	}
	out := make([]float32, motionFrames*n)
	var column [motionFrames]float32
	for p := range n {
		for i, f := range small {
			column[i] = f[p]
		}
		m := median(column)
		for i, f := range small {
			out[i*n+p] = f[p] - m
		}
	}
	return out
}

func halve(f []float32) []float32 {
	out := make([]float32, motionSize*motionSize*3)
	row := judgeSize * 3
	for i := range out {
		k, x, y := i%3, i/3%motionSize, i/(3*motionSize)
		p := 2*y*row + 2*x*3 + k
		out[i] = (f[p] + f[p+3] + f[p+row] + f[p+row+3]) / 4
	}
	return out
}

func median(x [motionFrames]float32) float32 {
	for i := 1; i < len(x); i++ { // insertion sort: few and nearly sorted
		for j := i; j > 0 && x[j] < x[j-1]; j-- {
			x[j], x[j-1] = x[j-1], x[j]
		}
	}
	return (x[motionFrames/2-1] + x[motionFrames/2]) / 2
}

// Loss adds up the cross-entropies of object, scene, time and motion.
func (k *Task) Loss(t *grad.Tape, _ int, c Clips) (*grad.Var, []train.Metric, error) {
	b := len(c.Specs)
	whole, object := k.Judge.Picture.forward(t, t.Const(c.Pictures, b*pictureFrames, 1, judgeSize, judgeSize, 3))
	motion := k.Judge.Motion.forward(t, t.Const(c.Motions, b, motionFrames, motionSize, motionSize, 3))
	heads := []struct {
		name   string
		logits *grad.Var
		label  func(s world.Spec) uint8
		each   int
	}{
		{"object", k.Judge.Picture.Object.Forward(t, object), func(s world.Spec) uint8 { return s.Object }, pictureFrames},
		{"scene", k.Judge.Picture.Scene.Forward(t, whole), func(s world.Spec) uint8 { return s.Scene }, pictureFrames},
		{"time", k.Judge.Picture.Time.Forward(t, whole), func(s world.Spec) uint8 { return s.Time }, pictureFrames},
		{"motion", k.Judge.Motion.Out.Forward(t, motion), func(s world.Spec) uint8 { return s.Motion }, 1},
	}
	var loss *grad.Var
	var metrics []train.Metric
	for _, h := range heads {
		var labels []int32
		for _, s := range c.Specs {
			for range h.each {
				labels = append(labels, int32(h.label(s)))
			}
		}
		ce := nn.CrossEntropy(t, h.logits, labels)
		if loss == nil {
			loss = ce
		} else {
			loss = nn.Add(t, loss, ce)
		}
		metrics = append(metrics, train.Metric{Name: h.name, Value: accuracy(h.logits, labels)})
	}
	return loss, metrics, nil
}

// accuracy is the share of rows whose largest logit is the label's.
func accuracy(logits *grad.Var, labels []int32) float64 {
	c, right := logits.Dim(-1), 0
	for i, l := range labels {
		if argmax(logits.X[i*c:(i+1)*c]) == int(l) {
			right++
		}
	}
	return float64(right) / float64(len(labels))
}

func argmax(x []float32) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}

// Verdict is what the judge sees in a clip.
type Verdict struct {
	Object, Motion, Scene, Time int
	Features                    []float32 // of picture and motion, for distances
}

// Look judges clips of 25 frames. Those of another size are scaled to the
// judge's.
func (j *Judge) Look(t *grad.Tape, clip *media.Clip) (Verdict, error) {
	if len(clip.Frames) != world.Frames || clip.Width != clip.Height || clip.Width%judgeSize != 0 {
		return Verdict{}, fmt.Errorf("eval: a clip of %d frames of %dx%d: the judge wants %d square frames of a multiple of %d", len(clip.Frames), clip.Width, clip.Height, world.Frames, judgeSize)
	}
	frames := make([][]float32, len(clip.Frames))
	for i, f := range clip.Frames {
		frames[i] = shrink(unit(f), clip.Width)
	}
	defer t.Reset()
	var pictures []float32
	for i := range pictureFrames {
		pictures = append(pictures, frames[i*8]...) // frames 1, 9, 17 and 25
	}
	f, object := j.Picture.forward(t, t.Const(pictures, pictureFrames, 1, judgeSize, judgeSize, 3))
	m := j.Motion.forward(t, t.Const(motionInput(frames), 1, motionFrames, motionSize, motionSize, 3))
	v := Verdict{
		Object: vote(j.Picture.Object.Forward(t, object)),
		Scene:  vote(j.Picture.Scene.Forward(t, f)),
		Time:   vote(j.Picture.Time.Forward(t, f)),
		Motion: vote(j.Motion.Out.Forward(t, m)),
	}
	mean := make([]float32, 2*featureWidth)
	for i := range pictureFrames {
		vec.Axpy(mean[:featureWidth], 1.0/pictureFrames, f.X[i*featureWidth:(i+1)*featureWidth])
		vec.Axpy(mean[featureWidth:], 1.0/pictureFrames, object.X[i*featureWidth:(i+1)*featureWidth])
	}
	v.Features = append(mean, poolMotion(m.X)...)
	return v, nil
}

// poolMotion averages the motion features over places, keeping the times.
func poolMotion(x []float32) []float32 {
	const places = 16
	out := make([]float32, 3*motionWidth)
	for i, v := range x {
		d, at := i%motionWidth, i/motionWidth/places
		out[at*motionWidth+d] += v / places
	}
	return out
}

// vote adds up the log-probabilities of the rows and returns the largest.
func vote(logits *grad.Var) int {
	c := logits.Dim(-1)
	rows := len(logits.X) / c
	logp := make([]float32, len(logits.X))
	vec.LogSoftmax(logp, logits.X, rows, c)
	sum := make([]float32, c)
	for i := range rows {
		vec.Acc(sum, logp[i*c:(i+1)*c])
	}
	return argmax(sum)
}

// shrink averages blocks of pixels down to the judge's size.
func shrink(f []float32, size int) []float32 {
	k := size / judgeSize
	check.True(k >= 1 && len(f) == size*size*3, "eval: frame of %d values for size %d", len(f), size)
	if k == 1 {
		return f
	}
	out := make([]float32, judgeSize*judgeSize*3)
	for y := range size {
		for x := range size {
			for c := range 3 {
				out[((y/k)*judgeSize+x/k)*3+c] += f[(y*size+x)*3+c] / float32(k*k)
			}
		}
	}
	return out
}

// TrainJudge trains the judge in dir, or goes on with it.
func TrainJudge(ctx context.Context, cfg train.Config, w *world.World, seed uint64) (train.Result, error) {
	cfg.Muon, cfg.BF16, cfg.Clip, cfg.EMA = true, true, 1, 0.995
	cfg.Warmup, cfg.Decay = 50, cfg.Steps/2
	cfg.Except = []string{"picture.object.weight", "picture.scene.weight", "picture.time.weight", "motion.out.weight"}
	if cfg.Rate == 0 {
		cfg.Rate = 2e-3
	}
	return train.Run(ctx, cfg, &Task{Judge: NewJudge(rand.New(rand.NewPCG(seed, 3))), World: w, Seed: seed, Clips: 32})
}

// ExportJudge writes the averaged judge of a training in bfloat16.
func ExportJudge(dir, to string) error {
	all := train.Checkpoints(dir)
	if len(all) == 0 {
		return fmt.Errorf("eval: no checkpoint of the judge in %s", dir)
	}
	f, err := safetensors.Read(filepath.Join(all[0], train.EMAFile))
	if err != nil {
		return err
	}
	j, err := OpenJudge(f)
	if err != nil {
		return err
	}
	return nn.Save(to, j, safetensors.BF16, nil)
}
