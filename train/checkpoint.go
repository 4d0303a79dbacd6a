package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kuai/format/atomicfile"
	"kuai/format/safetensors"
	"kuai/nn"
	"kuai/optim"
)

// Files of a checkpoint, which is a directory step-<number>.
const (
	ModelFile = "model.safetensors" // the weights as they train
	EMAFile   = "ema.safetensors"   // their moving average
	optimFile = "optim.safetensors"
	stateFile = "state.json" // written last: its presence makes the checkpoint whole

	stepPrefix = "step-"
	kept       = 2 // checkpoints
)

// state is what a checkpoint knows beside tensors.
type state struct {
	Step    int           `json:"step"`
	Updates int           `json:"updates"`
	EMA     int           `json:"ema_updates"`
	Loss    float64       `json:"loss"`
	Trained time.Duration `json:"trained_ns"`
}

// stepper is an optimiser that counts its updates.
type stepper interface {
	Steps() int
	SetSteps(n int)
}

// updates reads or sets the optimiser's count.
func (t *trainer[B]) updates(set int) int {
	switch o := t.opt.(type) {
	case stepper:
		if set >= 0 {
			o.SetSteps(set)
		}
		return o.Steps()
	case *optim.AdamW:
		if set >= 0 {
			o.Steps = set
		}
		return o.Steps
	}
	return 0
}

// Checkpoints lists the whole checkpoints of a training's directory, the
// newest first.
func Checkpoints(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var steps []int
	for _, e := range entries {
		if n, ok := strings.CutPrefix(e.Name(), stepPrefix); ok {
			step, err := strconv.Atoi(n)
			if _, e := os.Stat(filepath.Join(dir, e.Name(), stateFile)); err == nil && e == nil {
				steps = append(steps, step)
			}
		}
	}
	slices.Sort(steps)
	slices.Reverse(steps)
	var out []string
	for _, s := range steps {
		out = append(out, filepath.Join(dir, stepPrefix+strconv.Itoa(s)))
	}
	return out
}

// save writes a checkpoint and removes those that are no longer kept.
func (t *trainer[B]) save() error {
	dir := filepath.Join(t.cfg.Dir, stepPrefix+strconv.Itoa(t.step))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	module := t.task.Module()
	if err := nn.Save(filepath.Join(dir, ModelFile), module, safetensors.F32, nil); err != nil {
		return err
	}
	st := state{Step: t.step, Updates: t.updates(-1), Loss: t.smooth, Trained: t.trained}
	if t.ema != nil {
		st.EMA = t.ema.Steps
		if err := saveSlots(filepath.Join(dir, EMAFile), t.ema.State(), t.params); err != nil {
			return err
		}
	}
	if err := saveSlots(filepath.Join(dir, optimFile), t.opt.State(), nil); err != nil {
		return err
	}
	data, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, stateFile), data); err != nil {
		return err
	}
	for _, old := range Checkpoints(t.cfg.Dir)[min(kept, len(Checkpoints(t.cfg.Dir))):] {
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("train: %w", err)
		}
	}
	return nil
}

// saveSlots writes slices; with params they get the names and shapes of the
// parameters in their order, so that they can be loaded as a model.
func saveSlots(path string, slots []optim.Slot, params []nn.Named) error {
	var out []safetensors.Tensor
	for i, s := range slots {
		name, shape := s.Name, []int{len(s.X)}
		if params != nil {
			name, shape = params[i].Name, params[i].P.Shape
		}
		out = append(out, safetensors.FromF32(name, safetensors.F32, shape, s.X))
	}
	return safetensors.Write(path, out, nil)
}

// resume loads the newest checkpoint that is not damaged, or the weights to
// begin from.
func (t *trainer[B]) resume() error {
	var damaged error
	for _, dir := range Checkpoints(t.cfg.Dir) {
		err := t.load(dir)
		if err == nil {
			if damaged != nil && t.cfg.View != nil {
				_, _ = fmt.Fprintf(t.cfg.View, "warning: %v; going on from %s\n", damaged, dir)
			}
			return nil
		}
		if !errors.Is(err, safetensors.ErrDamaged) && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("train: %s: %w", dir, err)
		}
		damaged = err
	}
	if damaged != nil {
		return fmt.Errorf("train: no checkpoint in %s can be read: %w", t.cfg.Dir, damaged)
	}
	if t.cfg.Init != "" {
		if err := t.begin(t.cfg.Init); err != nil {
			return err
		}
	}
	t.average()
	return nil
}

// average begins the moving average at the present weights.
func (t *trainer[B]) average() {
	if t.cfg.EMA > 0 {
		t.ema = optim.NewEMA(t.params, t.cfg.EMA)
	}
}

// begin copies from a weight file what fits.
func (t *trainer[B]) begin(path string) error {
	f, err := safetensors.Read(path)
	if err != nil {
		return err
	}
	for _, p := range t.params {
		if tensor, ok := f.Tensor(p.Name); ok && slices.Equal(tensor.Shape, p.P.Shape) {
			if err := tensor.CopyF32(p.P.X); err != nil {
				return err
			}
			p.P.Changed()
		}
	}
	return nil
}

// load restores a checkpoint.
func (t *trainer[B]) load(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return err
	}
	var st state
	if err := json.Unmarshal(data, &st); err != nil {
		return fmt.Errorf("%s: %w: %w", stateFile, err, safetensors.ErrDamaged)
	}
	model, err := safetensors.Read(filepath.Join(dir, ModelFile))
	if err != nil {
		return err
	}
	memory, err := safetensors.Read(filepath.Join(dir, optimFile))
	if err != nil {
		return err
	}
	var averaged *safetensors.File
	if t.cfg.EMA > 0 {
		if averaged, err = safetensors.Read(filepath.Join(dir, EMAFile)); err != nil {
			return err
		}
	}
	if err := nn.Load(t.task.Module(), model); err != nil {
		return err
	}
	if err := loadSlots(memory, t.opt.State(), nil); err != nil {
		return err
	}
	t.average()
	if t.ema != nil {
		if err := loadSlots(averaged, t.ema.State(), t.params); err != nil {
			return err
		}
		t.ema.Steps = st.EMA
	}
	t.updates(st.Updates)
	t.step, t.smooth, t.trained = st.Step, st.Loss, st.Trained
	return nil
}

func loadSlots(f *safetensors.File, slots []optim.Slot, params []nn.Named) error {
	for i, s := range slots {
		name := s.Name
		if params != nil {
			name = params[i].Name
		}
		tensor, ok := f.Tensor(name)
		if !ok {
			return fmt.Errorf("tensor %q is missing: the training was begun with another model or optimiser", name)
		}
		if err := tensor.CopyF32(s.X); err != nil {
			return err
		}
	}
	return nil
}
