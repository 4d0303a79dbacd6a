package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"kuai/par"
	"kuai/registry"
	"kuai/text"
	"kuai/text/convert"
)

// registry of the models that were pulled.
func (a *app) registry() registry.Registry {
	return registry.Registry{Dir: filepath.Join(a.data, "models")}
}

// modelReport is a model as --json prints it.
type modelReport struct {
	Name       string `json:"name"`
	Path       string `json:"path"`
	Bytes      int64  `json:"bytes"`
	Arch       string `json:"architecture,omitempty"`
	Layers     int    `json:"layers,omitempty"`
	Linear     int    `json:"linear_layers,omitempty"`
	Parameters int64  `json:"parameters,omitempty"`
	Context    int    `json:"context,omitempty"`
	State      int64  `json:"state_bytes"`
	PerToken   int64  `json:"kv_bytes_per_token"`
	Error      string `json:"error,omitempty"` // why it cannot be used
}

func (a *app) modelsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "models [NAME]...",
		Short: "List the language models that are here, or describe some",
		Long: `List the language models that were pulled, or describe the named ones: names,
GGUF files or Hugging Face directories. A session takes the state, which does
not grow, and the cache for each token.`,
		Example: "  kuai models\n  kuai models model.gguf --json",
		RunE: func(_ *cobra.Command, args []string) error {
			entries, err := a.entries(args)
			if err != nil {
				return err
			}
			reports := make([]modelReport, len(entries))
			for i, e := range entries {
				reports[i] = describeModel(e)
			}
			if a.json {
				return json.NewEncoder(a.Out).Encode(map[string]any{"models": reports})
			}
			if len(args) == 0 && len(reports) == 1 {
				a.note("no others in %s; fetch one with: kuai pull ORGANISATION/REPOSITORY\n", a.registry().Dir)
			}
			return a.table(reports)
		},
	}
}

// entries are the models of the registry, or those that are named.
func (a *app) entries(names []string) ([]registry.Entry, error) {
	if len(names) == 0 {
		pulled, err := a.registry().List()
		if err != nil {
			return nil, err
		}
		own, err := a.entries([]string{builtinText})
		return append(own, pulled...), err
	}
	var out []registry.Entry
	for _, n := range names {
		path, err := a.findText(n)
		if err != nil {
			return nil, err
		}
		e, err := registry.At(n, path)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func describeModel(e registry.Entry) modelReport {
	r := modelReport{Name: e.Name, Path: e.Path, Bytes: e.Bytes}
	c, err := text.Describe(e.Path)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.Arch, r.Layers, r.Linear, r.Parameters, r.Context = c.Arch, c.Layers, c.LinearLayers, c.Parameters, c.Context
	r.State, r.PerToken = c.StateBytes, c.KVBytes
	return r
}

func (a *app) table(reports []modelReport) error {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	if len(reports) > 0 {
		_, _ = fmt.Fprintln(w, "NAME\tSIZE\tARCHITECTURE\tPARAMETERS\tLAYERS\tCONTEXT\tSTATE\tPER TOKEN") // Flush tells
	}
	for _, r := range reports {
		if r.Error != "" {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, bytesText(r.Bytes), r.Error)
			continue
		}
		layers := fmt.Sprint(r.Layers)
		if r.Linear > 0 {
			layers += fmt.Sprintf(" (%d linear)", r.Linear)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%.0fM\t%s\t%d\t%s\t%s\n", r.Name, bytesText(r.Bytes), r.Arch,
			float64(r.Parameters)/1e6, layers, r.Context, bytesText(r.State), bytesText(r.PerToken))
	}
	return w.Flush()
}

// bytesText writes a number of bytes for people.
func bytesText(n int64) string {
	v, unit := float64(n), "B"
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if v < 1000 {
			break
		}
		v, unit = v/1000, u
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.3g %s", v, unit)
}

// bytesBar draws how many bytes of a long work are done, where a person looks
// on. The name of what is worked on stands before it.
func (a *app) bytesBar() func(name string, done, total int64) {
	if a.json || !a.terminal() {
		return func(string, int64, int64) {}
	}
	var bar *progressbar.ProgressBar
	return func(name string, done, total int64) {
		if bar == nil {
			bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(a.Err), progressbar.OptionShowBytes(true),
				progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100_000_000))
		}
		bar.Describe(filepath.Base(name))
		_ = bar.Set64(done) // a bar that cannot be drawn harms nothing
	}
}

// hubOf is where models come from, as the environment says.
func hubOf() registry.Hub {
	return registry.Hub{URL: firstOf(os.Getenv("KUAI_HUB"), os.Getenv("HF_ENDPOINT")), Token: os.Getenv("HF_TOKEN")}
}

func (a *app) pullCommand() *cobra.Command {
	hub := hubOf()
	cmd := &cobra.Command{
		Use:   "pull ORGANISATION/REPOSITORY[:FILE][@REVISION]",
		Short: "Fetch a language model from a hub",
		Long: `Fetch a language model from a hub of the Hugging Face kind: its safetensors, or
the GGUF file whose name contains FILE, such as Q8_0. What was begun goes on
where it stopped; every file is checked against the hub's checksum. A token is
taken from HF_TOKEN.`,
		Example: "  kuai pull HuggingFaceTB/SmolLM2-135M-Instruct\n  kuai pull bartowski/SmolLM2-135M-Instruct-GGUF:Q8_0",
		Args:    exactArgs(1, "the model's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			bar := a.bytesBar()
			path, err := a.registry().Pull(cmd.Context(), hub, args[0], func(p registry.Progress) { bar(p.File, p.Done, p.Total) })
			if err != nil {
				return err
			}
			if a.json {
				return json.NewEncoder(a.Out).Encode(map[string]any{"name": args[0], "path": path})
			}
			_, err = fmt.Fprintln(a.Out, path)
			return err
		},
	}
	cmd.Flags().StringVar(&hub.URL, "hub", hub.URL, "where to fetch from (environment: KUAI_HUB, HF_ENDPOINT; default "+registry.DefaultHub+")")
	return cmd
}

func firstOf(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

func (a *app) quantizeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "quantize IN OUT TYPE",
		Short: "Rewrite a GGUF file in another format: " + strings.Join(convert.Types(), " "),
		Long: `Rewrite a GGUF file with its matrices in another format. Vectors and routers
become F32; with less than eight bits embedding and output keep six or eight.
Q4_K and Q5_K are llama.cpp's mixtures Q4_K_M and Q5_K_M.`,
		Example: "  kuai quantize model-f16.gguf model-q4.gguf Q4_K",
		Args:    exactArgs(3, "two files and a format"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, ok := convert.ParseType(args[2])
			if !ok {
				return usage(fmt.Errorf("format is %q, want one of %s", args[2], strings.Join(convert.Types(), " ")))
			}
			in, err := a.registry().Find(args[0])
			if err != nil {
				return err
			}
			if err := writable(args[1]); err != nil {
				return err
			}
			bar := a.bytesBar()
			if err := convert.Quantize(cmd.Context(), par.New(0), in, args[1], t, func(p convert.Progress) { bar(p.Tensor, p.Done, p.Total) }); err != nil {
				return err
			}
			before, after := fileSize(in), fileSize(args[1])
			if a.json {
				return json.NewEncoder(a.Out).Encode(map[string]any{"file": args[1], "type": t.String(), "bytes_before": before, "bytes": after})
			}
			_, err = fmt.Fprintf(a.Out, "%s  %s, was %s\n", args[1], bytesText(after), bytesText(before))
			return err
		},
	}
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (a *app) convertCommand() *cobra.Command {
	format := ""
	cmd := &cobra.Command{
		Use:   "convert IN OUT",
		Short: "Turn a Hugging Face directory into a GGUF file, or the other way round",
		Long: `Turn a Hugging Face directory (safetensors, config.json, tokenizer.json) into a
GGUF file that llama.cpp runs too, or a GGUF file into such a directory. The
formats of a file: ` + strings.Join(convert.Types(), " ") + `; of a directory: BF16 F16 F32.`,
		Example: "  kuai convert SmolLM2-135M smollm2.gguf --type Q8_0\n  kuai convert model.gguf model-directory --type F16",
		Args:    exactArgs(2, "a model and where to write it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := a.registry().Find(args[0])
			if err != nil {
				return err
			}
			info, err := os.Stat(in)
			if err != nil {
				return err
			}
			t, ok := convert.ParseType(format)
			if !ok {
				return usage(fmt.Errorf("--type is %q, want one of %s", format, strings.Join(convert.Types(), " ")))
			}
			bar := a.bytesBar()
			progress := func(p convert.Progress) { bar(p.Tensor, p.Done, p.Total) }
			if info.IsDir() {
				if err := writable(args[1]); err != nil {
					return err
				}
				err = convert.ToGGUF(cmd.Context(), par.New(0), in, args[1], t, progress)
			} else {
				err = convert.ToHF(cmd.Context(), par.New(0), in, args[1], t, progress)
			}
			if err != nil {
				return err
			}
			if a.json {
				return json.NewEncoder(a.Out).Encode(map[string]any{"path": args[1], "type": t.String()})
			}
			_, err = fmt.Fprintln(a.Out, args[1])
			return err
		},
	}
	cmd.Flags().StringVar(&format, "type", "F16", "of the matrices")
	return cmd
}
