package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestExampleConfig checks the file that deploy/ offers.
func TestExampleConfig(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"config", "check", "../../deploy/kuai.yaml", "--data", t.TempDir()}, streams{Out: &out, Err: &errs}); code != exitOK || !strings.Contains(out.String(), "no problem") {
		t.Errorf("exit %d: %s%s", code, &out, &errs)
	}
}
