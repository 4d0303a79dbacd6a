package clip

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"kuai/format/safetensors"
	"kuai/format/shard"
	"kuai/grad"
	"kuai/internal/check"
	"kuai/kernel/gemm"
	"kuai/mem"
	"kuai/nn"
	"kuai/video"
	"kuai/world"
)

const (
	shardClips  = 1000 // clips of a shard
	encodeBatch = 8    // clips encoded at a time
	specBytes   = 16   // of a Spec beside a clip's latents

	encodeArena = 8 << 30
)

// statistics are the mean and deviation of each latent channel, measured over
// the first shard.
type statistics struct {
	Mean []float32 `json:"latent_mean"`
	Std  []float32 `json:"latent_std"`
}

const statisticsFile = "statistics.json"

// EncodeLatents renders clips of the training split and stores their latents,
// shard by shard; shards that are there already are kept.
func EncodeLatents(ctx context.Context, o Options) error {
	tok, err := LoadTokenizer(o)
	if err != nil {
		return err
	}
	dir := filepath.Join(o.Dir, LatentsDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	source := fingerprint(tok)
	done, err := shard.Open(dir, source)
	if err != nil {
		return err
	}
	first := done.Shards()
	done.Close()
	shards := (o.Recipe.LatentClips + shardClips - 1) / shardClips
	begin := time.Now()
	for i := first; i < shards; i++ {
		records, err := encodeShard(ctx, o, tok, i)
		if err != nil {
			return err
		}
		if i == 0 {
			if err := writeJSON(filepath.Join(dir, statisticsFile), measure(records, o.Recipe.Tokenizer.LatentChannels)); err != nil {
				return err
			}
		}
		f := shard.Format{Source: source, Shape: latentShape(o.Recipe), Extra: specBytes}
		if err := shard.Write(dir, i, f, records); err != nil {
			return err
		}
		if o.View != nil {
			n := (i + 1 - first) * shardClips
			per := time.Since(begin) / time.Duration(n)
			raw := world.Frames * o.Recipe.Size * o.Recipe.Size * 3
			_, _ = fmt.Fprintf(o.View, "latents %d/%d  %.1f clips/s  %d bytes a clip raw, %d stored  left %v\n",
				(i+1)*shardClips, shards*shardClips, 1/per.Seconds(), raw, f.RecordBytes(), (per * time.Duration((shards-i-1)*shardClips)).Round(time.Second))
		}
	}
	return nil
}

// LatentSeed is the seed of the clips whose latents a training with the given
// seed stores: world.Sample draws them from 0 on.
func LatentSeed(seed uint64) uint64 { return seed + 1 }

// latentShape is the shape [T, H, W, C] of a clip's latents.
func latentShape(r Recipe) [4]int {
	side := r.Size / video.SpaceStride
	return [4]int{1 + (world.Frames-1)/video.TimeStride, side, side, r.Tokenizer.LatentChannels}
}

// fingerprint is the SHA-256 of a tokenizer's encoder.
func fingerprint(tok *video.Tokenizer) (sum [32]byte) {
	h := sha256.New()
	for _, p := range nn.Tensors(&tok.Encoder, safetensors.F32) {
		h.Write(p.Data)
	}
	copy(sum[:], h.Sum(nil))
	return sum
}

// encodeShard renders and encodes the clips of the i-th shard.
func encodeShard(ctx context.Context, o Options, tok *video.Tokenizer, i int) ([]shard.Record, error) {
	arena := mem.NewArena(encodeArena)
	defer arena.Close()
	t := grad.NewForward(o.Pool, arena, gemm.BF16)
	shape := latentShape(o.Recipe)
	n := shape[0] * shape[1] * shape[2] * shape[3]
	size := o.Recipe.Size
	frame := size * size * 3
	var records []shard.Record
	for from := 0; from < shardClips; from += encodeBatch {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		batch := min(encodeBatch, shardClips-from)
		specs := make([]world.Spec, batch)
		x := t.New(batch, shape[0]*video.TimeStride, size, size, 3)
		o.Pool.Do(batch, func(b, _ int) {
			specs[b] = world.Sample(world.Train, LatentSeed(o.Seed), uint64(i*shardClips+from+b))
			pixels := make([]byte, world.Frames*frame)
			o.World.Render(pixels, specs[b], size)
			video.PadFirst(x.X[b*len(x.X)/batch:(b+1)*len(x.X)/batch], pixels, frame)
		})
		z := tok.Encoder.Forward(t, x)
		for b := range batch {
			values := append([]float32(nil), z.X[b*n:(b+1)*n]...)
			records = append(records, shard.Record{Values: values, Extra: packSpec(specs[b])})
		}
		t.Reset()
	}
	return records, nil
}

// measure computes the statistics of records of c channels.
func measure(records []shard.Record, c int) statistics {
	sum, squares := make([]float64, c), make([]float64, c)
	n := 0
	for _, r := range records {
		for i, v := range r.Values {
			sum[i%c] += float64(v)
			squares[i%c] += float64(v) * float64(v)
		}
		n += len(r.Values) / c
	}
	var s statistics
	for i := range c {
		mean := sum[i] / float64(n)
		s.Mean = append(s.Mean, float32(mean))
		s.Std = append(s.Std, float32(math.Sqrt(max(squares[i]/float64(n)-mean*mean, 1e-8))))
	}
	return s
}

// packSpec stores what captions are drawn from.
func packSpec(s world.Spec) []byte {
	b := make([]byte, specBytes)
	copy(b, []byte{s.Object, s.Motion, s.Scene, s.Time, s.Size, s.Speed})
	if s.Mirror {
		b[6] = 1
	}
	binary.LittleEndian.PutUint64(b[8:], s.Seed)
	return b
}

// unpackSpec undoes packSpec. It fails for values that the world does not
// have.
func unpackSpec(b []byte) (world.Spec, error) {
	check.True(len(b) == specBytes, "train: spec of %d bytes", len(b))
	s := world.Spec{
		Object: b[0], Motion: b[1], Scene: b[2], Time: b[3], Size: b[4], Speed: b[5],
		Mirror: b[6] == 1, Seed: binary.LittleEndian.Uint64(b[8:]),
	}
	for i := range world.NumSlots {
		if en, _ := world.SlotValues(i); s.Slot(i) >= len(en) {
			return s, fmt.Errorf("train: latents with %s %d, of which there are %d: made by another version", world.SlotNames[i], s.Slot(i), len(en))
		}
	}
	return s, nil
}

// Latents is stored latents, normalised as they are read.
type Latents struct {
	T, H, W, C int

	set   *shard.Set
	stats statistics
	order shard.Order
}

// OpenLatents opens the latents that a tokenizer made.
func OpenLatents(dir string, tok *video.Tokenizer, seed uint64) (*Latents, error) {
	set, err := shard.Open(dir, fingerprint(tok))
	if err != nil {
		return nil, err
	}
	if set.Len() == 0 {
		return nil, fmt.Errorf("train: no latents in %s: encode them first", dir)
	}
	s := set.Format.Shape
	l := &Latents{T: s[0], H: s[1], W: s[2], C: s[3], set: set, order: shard.Order{Seed: seed, N: set.Len()}}
	data, err := os.ReadFile(filepath.Join(dir, statisticsFile))
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	if err := json.Unmarshal(data, &l.stats); err != nil || len(l.stats.Mean) != l.C || len(l.stats.Std) != l.C {
		return nil, fmt.Errorf("train: %s does not fit the latents: %w", statisticsFile, err)
	}
	return l, nil
}

// Close closes the files.
func (l *Latents) Close() { l.set.Close() }

// Len is the number of clips.
func (l *Latents) Len() int { return l.set.Len() }

// frameLen is the number of values of a latent frame.
func (l *Latents) frameLen() int { return l.H * l.W * l.C }

// Read reads the latents of a position of the random order, normalised, and
// what the clip shows.
func (l *Latents) Read(dst []float32, position uint64) (world.Spec, error) {
	var r shard.Record
	if err := l.set.Read(l.order.At(position), &r); err != nil {
		return world.Spec{}, err
	}
	for i, v := range r.Values {
		c := i % l.C
		dst[i] = (v - l.stats.Mean[c]) / l.stats.Std[c]
	}
	return unpackSpec(r.Extra)
}
