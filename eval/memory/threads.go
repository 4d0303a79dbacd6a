package memory

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"kuai/character/converse"
	"kuai/character/memory"
	"kuai/character/shelf"
	"kuai/companion"
	"kuai/companion/fact"
	"kuai/internal/report"
	"kuai/text"
)

// Bars of many threads on one machine.
const (
	barIdleMB   = 0     // of a thread that rests
	barActiveMB = 10    // of one in use, beyond the page cache
	barDiskMB   = 120   // of 8 million characters
	barThreads  = 1000  // alive at once
	perThread   = 8_000 // characters of each of them
	warmTurns   = 3     // before turns are measured
	benchHero   = "lin" // who is spoken to
)

// ThreadsConfig says how many threads to keep alive and how long the turns to
// measure are.
type ThreadsConfig struct {
	Model   *text.Model      // of the kuai architecture, where there is no Speaker
	Speaker converse.Speaker // nil is that of Model
	Threads int              // alive at once
	Opens   int              // of threads, one after the other
	Most    int              // characters of the longest threads
	Turns   int              // measured at each size and language
	Dir     string
	Seed    uint64
	View    func(what string)
}

// bench is a run of Threads.
type bench struct {
	cfg ThreadsConfig
	dir string
	rep *report.Report
}

// Threads measures what many conversations cost a machine: memory of those
// that rest and of those in use, how fast they open, what a turn takes in long
// ones relative to short ones, and their disk. The turns are those of daily
// use, written by the model; what is remembered before is told by a generator,
// with the facts that it knows to be in it.
func Threads(ctx context.Context, cfg ThreadsConfig) (*report.Report, error) {
	dir, err := os.MkdirTemp(cfg.Dir, "threads-")
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if cfg.View == nil {
		cfg.View = func(string) {}
	}
	b := &bench{cfg: cfg, dir: dir, rep: &report.Report{Machine: report.Machine()}}
	if err := b.alive(ctx); err != nil {
		return nil, err
	}
	if err := b.turns(ctx); err != nil {
		return nil, err
	}
	b.rep.Note(report.Protocol{Figures: "turn_*, cost_*", Judge: "the clock: recall, reply and what is kept of both, medians over turns; replies are as long as the model makes them, so that few turns compare badly", Budget: packBudget(), Reader: "the built-in one; what was told before, by the generator's truth"})
	b.rep.Note(report.Protocol{Figures: "idle_mb, active_mb*", Judge: residentKind() + ", after a garbage collection; of an active thread what closing it gives back", Budget: packBudget()})
	return b.rep, nil
}

func (b *bench) house(most int, dir string) *converse.House {
	return &converse.House{Dir: dir, Shelf: shelf.Shelf{Dir: filepath.Join(b.dir, "shelf")}, Model: b.cfg.Model, Speaker: b.cfg.Speaker, Most: most}
}

// alive opens threads one after the other, and then all at once.
func (b *bench) alive(ctx context.Context) error {
	n, dir := b.cfg.Threads, filepath.Join(b.dir, "many")
	user := func(i int) (string, fact.Language) { return "u" + strconv.Itoa(i), fact.Language(i % 2) }
	b.cfg.View("telling lives")
	var told [2]string
	for l := range told {
		told[l] = filepath.Join(b.dir, "told-"+strconv.Itoa(l))
		if _, err := b.tell(ctx, told[l], fact.Language(l), perThread); err != nil {
			return err
		}
	}
	for i := range n {
		name, l := user(i)
		if err := os.CopyFS(converse.ThreadDir(dir, benchHero, name), os.DirFS(told[l])); err != nil {
			return fmt.Errorf("memory: %w", err)
		}
	}

	b.cfg.View("opening and closing")
	var before float64
	var opens []time.Duration
	h := b.house(1, dir)
	for i := range b.cfg.Opens {
		if i == b.cfg.Opens/2 { // by now everything is there that is there once
			before = resident()
		}
		name, l := user(i % n)
		begin := time.Now()
		if err := h.With(ctx, benchHero, name, l, func(*converse.Conversation) error { return nil }); err != nil {
			return errors.Join(err, h.Close())
		}
		opens = append(opens, time.Since(begin))
	}
	if err := h.Close(); err != nil {
		return err
	}
	idle := max(0, resident()-before) / float64(b.cfg.Opens-b.cfg.Opens/2)
	b.rep.AtMost("idle_mb", math.Round(100*idle)/100, barIdleMB, "MB a thread, in hundredths")
	b.rep.Add("open_ms", middle(opens, 0.5), "ms, with closing another")
	b.rep.Add("open_p95_ms", middle(opens, 0.95), "ms")
	b.rep.Add("opens_per_second", 1000/middle(opens, 0.5), "a second")

	b.cfg.View("all at once")
	h = b.house(n, dir)
	defer func() { _ = h.Close() }()
	open := 0
	for i := range n {
		name, l := user(i)
		if err := h.With(ctx, benchHero, name, l, func(c *converse.Conversation) error { return b.visit(ctx, c, l) }); err != nil {
			return err
		}
		open++
	}
	held, err := closing(h)
	b.rep.AtMost("active_mb", held/float64(n), barActiveMB, "MB a thread of 8k characters")
	b.rep.AtLeast("threads_alive", float64(open), barThreads, "threads at once")
	return err
}

// visit has a thread search, which maps what it needs of its index.
func (b *bench) visit(ctx context.Context, c *converse.Conversation, l fact.Language) error {
	about := [...]string{fact.English: "What did I tell you about my sister?", fact.Chinese: "我跟你说过我妹妹的什么事？"}[l]
	_, err := c.Memory().Search(ctx, about, time.Now(), memory.Tuned().Items)
	return err
}

// truth is the reader that knows what a life tells.
type truth map[string][]fact.Fact

// Read finds the facts of the life's turns.
func (t truth) Read(turns ...memory.Turn) []memory.Reading {
	out := make([]memory.Reading, len(turns))
	for i, turn := range turns {
		out[i].Facts = t[turn.Text]
	}
	return out
}

// tell keeps a life in dir.
func (b *bench) tell(ctx context.Context, dir string, l fact.Language, characters int) (*companion.Life, error) {
	known := truth{}
	th, err := memory.Open(dir, memory.Options{NoSync: true, Flush: true, Language: l, Reader: known})
	if err != nil {
		return nil, err
	}
	defer func() { _ = th.Close() }()
	life := companion.NewLife(b.cfg.Seed, l, companion.Test).Spread(characters)
	for s := range life.Sessions() {
		clear(known)
		turns := make([]memory.Turn, len(s.Turns))
		for i, turn := range s.Turns {
			turns[i] = memory.Turn{Time: turn.Time, Speaker: turn.Speaker, Text: turn.Text}
			if len(turn.Told) > 0 {
				known[turn.Text] = turn.Told
			}
		}
		if _, err := th.Append(turns...); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if life.Characters() >= characters {
			break
		}
	}
	return life, th.Close()
}

// turns measures turns in threads of every size.
func (b *bench) turns(ctx context.Context) error {
	var base, base95, keep float64 // keep: recall and keeping at 8k
	var replies []time.Duration    // of all sizes
	b.cfg.View("warming up")
	if _, err := b.long(ctx, fact.English, perThread, warmTurns); err != nil {
		return err
	}
	for _, size := range Sizes {
		name := sizeName(size.Characters)
		if size.Characters > b.cfg.Most {
			for _, what := range []string{"cost_" + name, "cost_p95_" + name, "active_mb_" + name, "disk_mb_" + name + "_en", "disk_mb_" + name + "_zh"} {
				b.rep.Missing(what, "", fmt.Sprintf("only threads up to %d characters were asked for", b.cfg.Most))
			}
			continue
		}
		var took, recall, kept []time.Duration
		var active float64
		for _, l := range []fact.Language{fact.English, fact.Chinese} {
			b.cfg.View(fmt.Sprintf("%s characters, language %d", name, l))
			r, err := b.long(ctx, l, size.Characters, b.cfg.Turns)
			if err != nil {
				return err
			}
			took, recall, kept = append(took, r.turn...), append(recall, r.recall...), append(kept, r.kept...)
			active = max(active, r.active)
			if disk := "disk_mb_" + name + "_" + languageNames[l]; size.Characters == Sizes[len(Sizes)-1].Characters {
				b.rep.AtMost(disk, r.disk, barDiskMB, "MB")
			} else {
				b.rep.Add(disk, r.disk, "MB")
			}
		}
		for i, d := range took {
			replies = append(replies, max(0, d-recall[i]-kept[i]))
		}
		median, p95, own := middle(took, 0.5), middle(took, 0.95), middle(recall, 0.5)+middle(kept, 0.5)
		if base == 0 {
			base, base95, keep = median, p95, own
		}
		b.rep.AtMost("cost_"+name, median/base, size.Cost, "of a turn after 8k")
		b.rep.Add("cost_p95_"+name, p95/base95, "of the slowest in 20 after 8k")
		b.rep.Add("cost_same_reply_"+name, (own+middle(replies, 0.5))/(keep+middle(replies, 0.5)), "of a turn after 8k, had the replies taken alike")
		b.rep.Add("turn_ms_"+name, median, "ms")
		b.rep.Add("turn_p95_ms_"+name, p95, "ms")
		b.rep.Add("recall_ms_"+name, middle(recall, 0.5), "ms")
		b.rep.Add("keep_ms_"+name, middle(kept, 0.5), "ms")
		b.rep.AtMost("active_mb_"+name, active, barActiveMB, "MB")
	}
	return nil
}

var languageNames = [...]string{fact.English: "en", fact.Chinese: "zh"}

// longRun is what a long thread takes.
type longRun struct {
	turn, recall, kept []time.Duration
	active, disk       float64 // MB
}

// long tells a life and then speaks in it: questions about it.
func (b *bench) long(ctx context.Context, l fact.Language, characters, turns int) (r longRun, err error) {
	dir := filepath.Join(b.dir, "long")
	defer func() { _ = os.RemoveAll(dir) }()
	thread := converse.ThreadDir(dir, benchHero, "u")
	life, err := b.tell(ctx, thread, l, characters)
	if err != nil {
		return r, err
	}
	r.disk = float64(bytesIn(thread)) / 1e6
	questions := life.Questions(turns + 1)
	h := b.house(1, dir)
	defer func() { _ = h.Close() }()
	now := life.Now()
	for i := range questions {
		err := h.With(ctx, benchHero, "u", l, func(c *converse.Conversation) error {
			now = now.Add(time.Minute)
			c.Now = func() time.Time { return now }
			reply, err := c.Say(ctx, questions[i].Text, nil)
			if err != nil || i == 0 { // the first maps what the others find there
				return err
			}
			begin := time.Now() // what Say did with both at its end
			_, err = c.Memory().Append(
				memory.Turn{Time: now, Speaker: fact.User, Text: questions[i].Text},
				memory.Turn{Time: now, Speaker: fact.Companion, Text: reply.Text})
			r.turn, r.recall, r.kept = append(r.turn, reply.Total), append(r.recall, reply.Recall), append(r.kept, time.Since(begin))
			return err
		})
		if err != nil {
			return r, err
		}
	}
	r.active, err = closing(h)
	return r, err
}

// closing closes what is open and returns the MB that it held: what the model
// keeps for the next turn of anybody is not a thread's.
func closing(h *converse.House) (heldMB float64, err error) {
	before := resident()
	err = h.Close()
	return max(0, before-resident()), err
}

// resident is the memory of the process that is its own, in MB, without pages
// of files.
func resident() float64 {
	debug.FreeOSMemory() // collects first
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range strings.Lines(string(status)) {
			var kb int
			if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kb); n == 1 {
				return float64(kb) / 1000
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse+m.StackInuse) / 1e6
}

func residentKind() string {
	if _, err := os.Stat("/proc/self/status"); err == nil {
		return "RssAnon of /proc/self/status"
	}
	return "the heap and stacks in use"
}
