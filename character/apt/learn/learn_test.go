package learn

import (
	"os"
	"path/filepath"
	"testing"

	"kuai/character/apt"
)

// TestTrain trains a little, exports, and finds the export whole.
func TestTrain(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it makes an index of all situations")
	}
	dir := t.TempDir()
	o := Options{Dir: dir, Steps: 2, Pairs: 8, Rate: 1e-3, Lines: 20, Seed: 1, netSteps: 5}
	res, err := Train(t.Context(), o)
	if err != nil || res.Steps != 5 {
		t.Fatal(res, err)
	}
	to := filepath.Join(dir, "model")
	if err := Export(dir, to); err != nil {
		t.Fatal(err)
	}
	if _, err := apt.OpenModel(os.DirFS(to)); err != nil {
		t.Error(err)
	}
	if err := Export(t.TempDir(), to); err == nil {
		t.Error("exported nothing")
	}
}
