package checkpoint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLightningRates reads rates of heads and says what is wrong with others.
func TestLightningRates(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "kuai", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config.json")
	read := func(rates string) (Config, error) {
		with := strings.Replace(string(data), "{", `{"lightning_rates": `+rates+",", 1)
		if err := os.WriteFile(path, []byte(with), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := readHF(path)
		return c, err
	}
	c, err := read("null")
	if err != nil {
		t.Fatal(err)
	}
	own := c.Companion.LightningRates(&c)
	head := "[" + strings.TrimSuffix(strings.Repeat("0.5,", c.Heads), ",") + "]"
	all := "[" + strings.TrimSuffix(strings.Repeat(head+",", len(own)), ",") + "]"
	if c, err = read(all); err != nil || c.Companion.LightningRates(&c)[0][0] != 0.5 {
		t.Errorf("%v, %v", c.Companion.Rates, err)
	}
	for _, bad := range []string{"[]", "[[0.5]]", strings.Replace(all, "0.5", "-1", 1), strings.Replace(all, "0.5", "13", 1), strings.Replace(all, "0.5,", "", 1)} {
		if _, err := read(bad); err == nil || !strings.Contains(err.Error(), "lightning_rates") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
