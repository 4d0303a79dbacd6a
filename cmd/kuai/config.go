package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kuai/platform/config"
)

// configFile reads the file of settings: the one that is named, else kuai.yaml
// in the data directory, else none, which is nil.
func (a *app) configFile() (*config.File, error) {
	if a.config != "" {
		return config.Read(a.config)
	}
	f, err := config.Read(filepath.Join(a.data, "kuai.yaml"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err == nil && f.Has(""):
		return nil, &config.Error{Where: f.Path, Key: "data", Text: "this file lies in the data directory; name another with --data, or in a file that --config names"}
	}
	return f, err
}

// settings gives a command's flags what the file and the environment say.
func (a *app) settings(cmd *cobra.Command) error {
	serves := false // has a setting of the platform
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		serves = serves || config.Section(f) != ""
	})
	var file *config.File
	if serves || a.config != "" {
		var err error
		if file, err = a.configFile(); err != nil {
			return err
		}
		if err := file.Unknown(known()...); err != nil {
			return err
		}
	}
	var err error
	a.values, err = config.Apply(cmd.Flags(), file, os.LookupEnv)
	return err
}

// known are all settings that there are.
func known() []*pflag.FlagSet {
	var s serveOptions
	var w workerOptions
	top, serve, worker := pflag.NewFlagSet("", 0), pflag.NewFlagSet("serve", 0), pflag.NewFlagSet("worker", 0)
	top.String("data", "", "")
	config.Place(top, "")
	s.flags(serve)
	w.flags(worker)
	return []*pflag.FlagSet{top, serve, worker}
}

// wrong is the error of problems, each with where its setting comes from.
func (a *app) wrong(all []*config.Error) error {
	errs := make([]error, len(all))
	for i, p := range a.located(all) {
		errs[i] = p
	}
	return usage(errors.Join(errs...))
}

func (a *app) located(all []*config.Error) []*config.Error {
	for _, p := range all {
		if p.Where == "" {
			p.Where = a.values[p.Key].Where
		}
	}
	return all
}

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and show the settings of kuai serve and kuai worker",
		Long: `Each flag of kuai serve and kuai worker can stand in a file, below the command's
name, and in the environment as KUAI_SERVE_..., KUAI_WORKER_...: serve's
tls-cert is KUAI_SERVE_TLS_CERT. A flag goes before the environment, that before
the file. Lists have semicolons between their values in the environment. The file is
kuai.yaml in the data directory, or what --config or KUAI_CONFIG name:

  serve:
    addr: 0.0.0.0:8080
    chat: [SmolLM2, /srv/model.gguf]
    database: postgres://kuai@db/kuai`,
		Args: cobra.ArbitraryArgs, RunE: group,
	}
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error { return nil } // these commands tell of errors themselves
	check := &cobra.Command{
		Use: "check [FILE]", Short: "Say what is wrong with the settings, without starting anything",
		Long: `Say what is wrong with the settings of the file and the environment: keys that
do not exist, values that cannot be, combinations, files that are not there. Nothing
is connected to. The exit code is 1 if anything is wrong.`,
		Example: "  kuai config check /etc/kuai/kuai.yaml\n  kuai config check --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				a.config = args[0]
			}
			return a.configCheck(cmd)
		},
	}
	show := &cobra.Command{
		Use: "show", Short: "Show the settings that hold, and where each comes from", Args: exactArgs(0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.configShow(cmd) },
	}
	cmd.AddCommand(check, show)
	return cmd
}

// effective is what file and environment together say.
type effective struct {
	file   *config.File
	top    *pflag.FlagSet
	serve  serveOptions
	worker workerOptions
	sets   []*pflag.FlagSet // of these three
}

// effective reads the settings; its errors are Problems, or a file that cannot
// be read.
func (a *app) effective(cmd *cobra.Command) (*effective, error) {
	e := &effective{top: pflag.NewFlagSet("", 0)}
	e.top.StringVar(&a.data, "data", a.data, "")
	config.Place(e.top, "")
	e.top.Lookup("data").Changed = cmd.Flags().Changed("data")
	serve, worker := pflag.NewFlagSet("serve", 0), pflag.NewFlagSet("worker", 0)
	e.serve.flags(serve)
	e.worker.flags(worker)
	e.sets = []*pflag.FlagSet{e.top, serve, worker}
	var err error
	if e.file, err = a.configFile(); err != nil {
		return e, err
	}
	a.values = config.Values{}
	errs := []error{e.file.Unknown(e.sets...)}
	for _, set := range e.sets {
		values, err := config.Apply(set, e.file, os.LookupEnv)
		maps.Copy(a.values, values)
		errs = append(errs, err)
	}
	return e, errors.Join(errs...)
}

// configReport is what config check --json prints.
type configReport struct {
	OK       bool            `json:"ok"`
	File     string          `json:"file,omitempty"`
	Problems []*config.Error `json:"problems"`
	Warnings []*config.Error `json:"warnings"`
}

// errSettings says that a check found problems, which are told already.
var errSettings = errors.New("the settings cannot be used")

func (a *app) configCheck(cmd *cobra.Command) error {
	e, err := a.effective(cmd)
	r := configReport{Problems: config.Problems(err), Warnings: []*config.Error{}}
	if err != nil && len(r.Problems) == 0 {
		return err
	}
	if e.file != nil {
		r.File = e.file.Path
	}
	if err == nil {
		r.Problems = e.serve.check(a)
		if a.worksHere(e) {
			r.Problems = append(r.Problems, e.worker.check()...)
		}
		r.Problems = append([]*config.Error{}, a.located(r.Problems)...)
	}
	for _, set := range e.sets[1:] {
		r.Warnings = append(r.Warnings, config.Strays(os.Environ(), set.Name(), set)...)
	}
	r.OK = len(r.Problems) == 0
	if err := a.configReport(r); err != nil {
		return err
	}
	if !r.OK {
		return errSettings
	}
	return nil
}

// worksHere says whether anything sets up a worker.
func (a *app) worksHere(e *effective) bool {
	there := e.file.Has("worker")
	e.sets[2].VisitAll(func(f *pflag.Flag) { there = there || f.Changed })
	return there
}

func (a *app) configReport(r configReport) error {
	if a.json {
		return a.object(r)
	}
	for _, p := range r.Problems {
		_, _ = fmt.Fprintln(a.Out, p)
	}
	for _, p := range r.Warnings {
		_, _ = fmt.Fprintf(a.Out, "warning: %v\n", p)
	}
	if !r.OK {
		return nil
	}
	_, err := fmt.Fprintf(a.Out, "%s: no problem\n", firstOf(r.File, "no file"))
	return err
}

func (a *app) configShow(cmd *cobra.Command) error {
	e, err := a.effective(cmd)
	if err != nil {
		return usage(err)
	}
	var all []config.Setting
	for _, set := range e.sets {
		all = append(all, config.Show(set, a.values)...)
	}
	if a.json {
		return a.object(all)
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, s := range all {
		_, _ = fmt.Fprintf(w, "%s\t%v\t%s\n", s.Key, s.Value, s.Source) // Flush tells
	}
	return w.Flush()
}
