package chat

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"kuai/format/atomicfile"
	"kuai/par"
	"kuai/serve/chat/chattest"
	"kuai/text"
)

// TestOpenEnd checks that answers of open length get memory as they grow, and
// end where there is no more, side by side with others.
func TestOpenEnd(t *testing.T) {
	t.Parallel()
	m := &fakeModel{context: 10_000, script: strings.Repeat("x", 20_000)}
	start(t, m, Options{MemoryBytes: 7000}, func(t *testing.T, e *Engine) {
		t.Helper()
		one := submit(t, e, Request{Prompt: ids("a|")})
		two := submit(t, e, Request{Prompt: ids("b|")})
		short := submit(t, e, Request{Prompt: ids("c|"), MaxTokens: 500})
		first, a := read(t, one)
		second, b := read(t, two)
		_, c := read(t, short)
		if a.Reason != Length || b.Reason != Length || c.Reason != Length || c.Usage.Completion != 500 {
			t.Errorf("got %+v, %+v, %+v", a, b, c)
		}
		if short := min(len(first), len(second)); short < growTokens || short > 2500 { // one ends, and the other has its memory
			t.Errorf("answers of %d and %d tokens from memory for 5000 of both", len(first), len(second))
		}
		alone, d := read(t, submit(t, e, Request{Prompt: ids("a|")}))
		if len(alone) != 6000-2 || d.Reason != Length {
			t.Errorf("alone %d tokens, want 5998: %+v", len(alone), d)
		}
		synctest.Wait()
		if e.reserved != 0 {
			t.Errorf("%d bytes are reserved for nobody", e.reserved)
		}
		var long *MemoryError
		_, err := e.Submit(t.Context(), Request{Prompt: make([]int32, 6001)})
		if !errors.As(err, &long) || long.Most != 6000 {
			t.Errorf("got %v", err)
		}
	})
}

func TestFreeMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/"
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(dir+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want int64) {
		t.Helper()
		if got := freeMemory(dir+"meminfo", dir); got != want {
			t.Errorf("%d bytes are free, want %d", got, want)
		}
	}
	check(0)
	write("meminfo", "MemTotal: 10 kB\nMemAvailable:    2048 kB\nSwapFree: 1 kB\n")
	check(2 << 20)
	write("memory.max", "max\n")
	write("memory.current", "1048576\n")
	check(2 << 20)
	write("memory.max", "1572864\n")
	check(512 << 10)
	write("memory.max", "1\n")
	check(1)
	write("meminfo", "MemAvailable: -7 kB\n")
	check(0)
	write("meminfo", "MemAvailable: 99999999999999999999 kB\n")
	check(0)
}

// TestSpill checks that sessions for which there is no memory come back from
// disk, say what they would have said, and leave nothing behind.
func TestSpill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	model := chattest.Hybrid(t)
	load := func(o Options) *Loaded {
		t.Helper()
		l, err := Open(t.Context(), model, text.Options{Pool: par.New(1), PrefixBytes: -1}, o)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	small, roomy := load(Options{KeepBytes: 50_000, SpillDir: dir}), load(Options{})
	files := func() (n int) {
		t.Helper()
		if err := filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				n++
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	names := []string{"a", "b", "c", "d"}
	texts := map[string]string{}
	for turn := range 3 {
		for _, name := range names {
			prompt := texts[name] + strings.Repeat(name+" speaks. ", 30)
			ask := func(l *Loaded) (string, *Result) {
				t.Helper()
				return read(t, submit(t, l.Talker.Engine, Request{
					Prompt: RawTokens(l.Vocab, prompt), Conversation: name, MaxTokens: 20, IgnoreEnd: true,
				}))
			}
			got, res := ask(small)
			want, _ := ask(roomy)
			if got != want {
				t.Errorf("%s, turn %d: %q, want %q", name, turn, got, want)
			}
			if turn > 0 && res.Usage.Reused < len(texts[name])/2 {
				t.Errorf("%s, turn %d: %d tokens of %d were reused", name, turn, res.Usage.Reused, res.Usage.Prompt)
			}
			texts[name] = prompt + strings.ToValidUTF8(want, "")
		}
	}
	if files() == 0 {
		t.Error("nothing was put on disk")
	}
	for _, l := range []*Loaded{small, roomy} {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := files(); n != 0 {
		t.Errorf("%d files were left", n)
	}
}

// TestSpillBudget checks that the disk's budget holds, the oldest going first,
// and that a folder where nothing can be written is no obstacle.
func TestSpillBudget(t *testing.T) {
	t.Parallel()
	m, err := text.Open(chattest.Hybrid(t), text.Options{PrefixBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // was only read
	session := func() Session {
		s := m.NewSession()
		if err := s.Prefill(t.Context(), []int32{1, 2, 3}, nil, nil); err != nil {
			t.Fatal(err)
		}
		return s
	}
	d := newSpill(Text(m), t.TempDir(), 1<<30)
	d.put("a", session())
	d.budget = 3 * d.bytes
	for _, name := range []string{"b", "c", "d"} {
		d.put(name, session())
	}
	if d.find("a") >= 0 || d.find("b") < 0 || d.bytes > d.budget {
		t.Errorf("%+v", d.list)
	}
	if s := d.take("b"); s == nil || s.Len() != 3 {
		t.Errorf("got %v", s)
	}
	if err := os.WriteFile(d.list[0].path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := d.take("c"); s != nil {
		t.Error("a damaged session was read")
	}
	if err := os.RemoveAll(d.dir); err != nil {
		t.Fatal(err)
	}
	d.put("e", session())
	if d.take("e") != nil || d.take("d") != nil {
		t.Error("a session that is not there was read")
	}
	if newSpill(Text(m), filepath.Join(t.TempDir(), "none"), 1) != nil || newSpill(&fakeModel{}, t.TempDir(), 1) != nil {
		t.Error("a spill to nowhere")
	}
}

// TestDialogueState checks that a saved dialogue goes on in another process
// without reading all again, and from its messages where the state is of no use.
func TestDialogueState(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "d.json")
	load := func(o text.Options) *Loaded {
		t.Helper()
		o.Pool, o.PrefixBytes = par.New(1), -1
		l, err := Open(t.Context(), chattest.Hybrid(t), o, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		return l
	}
	settings := Request{MaxTokens: 20, IgnoreEnd: true}
	d := NewDialogue(load(text.Options{}).Talker, settings)
	if err := d.Save(file); err != nil {
		t.Fatal(err) // nothing was said: there is no state
	}
	if _, err := os.Stat(file + stateSuffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a state of nothing: %v", err)
	}
	if _, err := d.Say(t.Context(), strings.Repeat("Tell me a long story. ", 20), nil); err != nil {
		t.Fatal(err)
	}
	if err := d.Save(file); err != nil {
		t.Fatal(err)
	}
	state, err := os.ReadFile(file + stateSuffix)
	if err != nil {
		t.Fatal(err)
	}
	want, err := d.Say(t.Context(), "And then?", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		state []byte
		o     text.Options
		works bool
	}{
		"as saved": {state, text.Options{}, true}, "damaged": {bytes.Replace(state, []byte{0}, []byte{1}, 3), text.Options{}, false},
		"cut": {state[:len(state)/2], text.Options{}, false}, "none": {nil, text.Options{}, false}, "another cache": {state, text.Options{KV: "f32"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file+stateSuffix, c.state, 0o600); err != nil {
				t.Fatal(err)
			}
			again := NewDialogue(load(c.o).Talker, settings)
			resumed, err := again.Load(file)
			if err != nil || resumed != c.works || len(again.Messages) != 2 {
				t.Fatalf("resumed %v, %v, %d messages", resumed, err, len(again.Messages))
			}
			res, err := again.Say(t.Context(), "And then?", nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.works && (res.Usage.Reused != want.Usage.Reused || again.Messages[3].Content != d.Messages[3].Content) {
				t.Errorf("%d tokens reused, %q; want %d, %q", res.Usage.Reused, again.Messages[3].Content, want.Usage.Reused, d.Messages[3].Content)
			}
			if !c.works && res.Usage.Reused != 0 {
				t.Errorf("%d tokens reused from nothing", res.Usage.Reused)
			}
		})
	}
}

// TestFullDisk saves a dialogue, and puts sessions away, where there is no room
// for the model's state: on a file system of a few MB that KUAI_SMALL_DISK names.
func TestFullDisk(t *testing.T) {
	small := os.Getenv("KUAI_SMALL_DISK")
	if small == "" {
		t.Skip("KUAI_SMALL_DISK names no small file system")
	}
	dir := filepath.Join(small, "dialogue")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a test's own folder
	l := open(t, Options{KeepBytes: 1, SpillDir: dir})
	d := NewDialogue(l.Talker, Request{MaxTokens: 20, IgnoreEnd: true})
	say := func() *Result {
		t.Helper()
		res, err := d.Say(t.Context(), strings.Repeat("Tell me a long story. ", 20), nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	say()
	file := filepath.Join(dir, "d.json")
	if err := d.Save(file); err != nil { // out of the spill
		t.Fatal(err)
	}
	fill, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = fill.Write(make([]byte, 4096))
	}
	if info, err := fill.Stat(); err != nil || fill.Truncate(info.Size()-16384) != nil { // room for messages
		t.Fatal(err)
	}
	if err := fill.Close(); err != nil {
		t.Fatal(err)
	}
	say() // its session finds no room on disk
	if err := d.Save(file); err != nil && !errors.Is(err, atomicfile.ErrFull) {
		t.Errorf("got %v", err)
	}
	again := NewDialogue(l.Talker, Request{MaxTokens: 5})
	if _, err := again.Load(file); err != nil || len(again.Messages) != 4 {
		t.Errorf("%d messages, %v", len(again.Messages), err)
	}
	if res := say(); res.Usage.Prompt == 0 {
		t.Error("nothing was said")
	}
}
