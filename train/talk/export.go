package talk

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"kuai/format/atomicfile"
	"kuai/format/safetensors"
	"kuai/nn"
	"kuai/text/checkpoint"
	"kuai/train"
)

// chatTemplate writes a conversation as the model was trained on it. A memory
// stands before the turn that it was recalled for, under a role of its own.
const chatTemplate = `{{ bos_token }}{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}`

// Export writes the averaged weights of the newest checkpoint as a Hugging Face
// directory.
func Export(ctx context.Context, o Options, to string) error {
	points := train.Checkpoints(o.Dir)
	if len(points) == 0 {
		return fmt.Errorf("talk: %s: no checkpoint to export", o.Dir)
	}
	t, err := o.Tokenizer(ctx)
	if err != nil {
		return err
	}
	c, err := o.config(t)
	if err != nil {
		return err
	}
	m, err := New(c, o.Seed)
	if err != nil {
		return err
	}
	f, err := safetensors.Read(filepath.Join(points[0], train.EMAFile))
	if err != nil {
		return err
	}
	if err := nn.Load(m, f); err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("talk: %w", err)
	}
	tensors := nn.Tensors(m, safetensors.F32)
	if o.Int8 {
		if tensors, err = int8s(tensors); err != nil {
			return err
		}
	}
	if err := safetensors.Write(filepath.Join(to, train.ModelFile), tensors, map[string]string{"format": "pt"}); err != nil {
		return err
	}
	conf, err := json.MarshalIndent(map[string]any{
		"bos_token": BeginToken, "eos_token": EndToken, "add_bos_token": false, "chat_template": chatTemplate,
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(filepath.Join(to, "tokenizer_config.json"), conf); err != nil {
		return err
	}
	for _, name := range []string{configFile, tokenizerFile} {
		data, err := os.ReadFile(filepath.Join(o.Dir, name))
		if err != nil {
			return fmt.Errorf("talk: %w", err)
		}
		if err := atomicfile.WriteBytes(filepath.Join(to, name), data); err != nil {
			return err
		}
	}
	return nil
}

// int8s puts the matrices that it is worth for in int8.
func int8s(tensors []safetensors.Tensor) (out []safetensors.Tensor, err error) {
	for _, t := range tensors {
		pair, ok, err := checkpoint.Int8(t)
		if err != nil {
			return nil, err
		}
		if !ok {
			out = append(out, t)
			continue
		}
		out = append(out, pair[:]...)
	}
	return out, nil
}

// ModelDir is where a training's export goes unless told otherwise.
func ModelDir(dir string) string { return filepath.Join(dir, modelDir) }
