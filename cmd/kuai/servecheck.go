package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"

	"kuai/platform/blob"
	"kuai/platform/config"
	"kuai/platform/db"
	"kuai/platform/event"
	"kuai/serve/upstream"
	"kuai/text"
)

// problems gathers what is wrong with the settings of a section.
type problems struct {
	section string
	all     []*config.Error
}

// add notes an error of a setting; nil is none.
func (p *problems) add(name string, err error) {
	if err != nil {
		p.all = append(p.all, &config.Error{Key: p.section + "." + name, Text: err.Error(), Cause: err})
	}
}

// check says what of the settings cannot be, without opening anything.
func (o *serveOptions) check(a *app) []*config.Error {
	p := &problems{section: "serve"}
	if _, _, err := net.SplitHostPort(o.addr); err != nil {
		p.add("addr", fmt.Errorf("is %q, want HOST:PORT", o.addr))
	}
	switch {
	case o.cert != "" && o.key == "":
		p.add("tls-cert", errors.New("needs tls-key"))
	case o.key != "" && o.cert == "":
		p.add("tls-key", errors.New("needs tls-cert"))
	}
	p.add("tls-cert", isFile(o.cert))
	p.add("tls-key", isFile(o.key))
	if *o.database != "" {
		p.add("database", db.Check(*o.database))
	}
	if strings.Contains(*o.blobs, "://") {
		_, err := blob.ParseS3(*o.blobs)
		p.add("blobs", err)
	}
	if o.nats != "" {
		p.add("nats", event.Check(o.nats))
	}
	o.people.check(p)
	o.watch.check(p)
	p.add("model", isDir(o.model))
	for _, name := range o.texts {
		p.add("chat", a.checkText(name))
	}
	for _, address := range together(o.upstreams) {
		_, _, err := openUpstream(address, o.slots)
		p.add("upstream", err)
	}
	for _, spec := range together(o.comfy) {
		_, _, err := openComfy(spec)
		p.add("comfy", err)
	}
	p.add("characters", a.checkSpeaker(o.talkers))
	p.add("weights", text.Options{Weights: o.text.weights}.Check())
	p.add("kv", text.Options{KV: o.text.kv}.Check())
	for name, n := range map[string]int{"context": o.text.context, "threads": o.text.threads} {
		if n < 0 {
			p.add(name, errors.New("cannot be negative"))
		}
	}
	return p.all
}

// check says what of the settings of kuai worker cannot be.
func (o *workerOptions) check() []*config.Error {
	p := &problems{section: "worker"}
	if u, err := url.Parse(o.join); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		p.add("join", errors.New("want the server's address, such as https://kuai.example"))
	}
	if o.token == "" {
		p.add("token", errors.New("a worker joins with a token, which kuai worker token makes"))
	}
	if o.slots < 1 || o.slots > maxSlots {
		p.add("slots", fmt.Errorf("is %d, want 1 to %d", o.slots, maxSlots))
	}
	for _, spec := range together(o.comfy) {
		_, n, err := openComfy(spec)
		if err == nil && n == 0 {
			err = errComfy // a worker that knows a model and does not make it
		}
		p.add("comfy", err)
	}
	if o.idle && len(o.comfy) == 0 {
		p.add("no-render", errors.New("without --comfy nothing is left to do"))
	}
	o.watch.check(p)
	p.add("ca", isFile(o.ca))
	p.add("model", isDir(o.model))
	return p.all
}

// checkText says whether a language model is there.
func (a *app) checkText(name string) error {
	if name == builtinText {
		return nil
	}
	_, err := a.findText(name)
	return err
}

// checkSpeaker does the same for one that may be another server's.
func (a *app) checkSpeaker(name string) error {
	if upstream.Is(name) {
		_, err := upstream.New(name, "")
		return err
	}
	return a.checkText(name)
}

// isFile says why a path, unless it is "", is no file that can be read.
func isFile(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory, want a file", path)
	}
	return errors.Join(err, f.Close())
}

// isDir says why a path, unless it is "", is no directory.
func isDir(path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", errNoModel, err)
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is no directory", path)
	}
	return err
}
