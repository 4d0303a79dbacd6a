package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const (
	// patience is what a page may take to show something: far more than it
	// needs on a machine that others keep busy, so that only what never comes
	// fails. What comes ends the wait at once.
	patience = 10 * time.Minute
	between  = 50 * time.Millisecond
)

// server is kuai serve, which can be killed and started again.
type server struct {
	bin, data, addr, url string
	cmd                  *exec.Cmd
}

func newServer(t *testing.T) *server {
	t.Helper()
	bin := os.Getenv("KUAI_BIN")
	if bin == "" {
		bin = filepath.Join("..", "..", "bin", "kuai")
	}
	if _, err := os.Stat(bin); err != nil {
		t.Skip("SKIP e2e: no bin/kuai: run make build")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{bin: bin, data: t.TempDir(), addr: l.Addr().String(), url: "http://" + l.Addr().String()}
	_ = l.Close()
	s.start(t)
	t.Cleanup(func() { s.kill(t) })
	return s
}

func (s *server) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command(s.bin, "serve", "--addr", s.addr, "--data", s.data)
	out, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	up := make(chan bool, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(lines.Text(), "Kuai is at") {
				up <- true
			}
		}
		close(up)
	}()
	select {
	case ok := <-up:
		if !ok {
			t.Fatal("kuai serve ended")
		}
	case <-time.After(patience):
		t.Fatal("kuai serve does not come up")
	}
}

// kill ends the server without a warning, as a power cut would.
func (s *server) kill(t *testing.T) {
	t.Helper()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// browser is headless Chromium with one tab.
type browser struct {
	ctx    context.Context
	server *server
	secret string
}

func newBrowser(t *testing.T, s *server) *browser {
	t.Helper()
	chrome := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless_shell"} {
		if path, err := exec.LookPath(name); err == nil {
			chrome = path
			break
		}
	}
	if chrome == "" {
		t.Skip("SKIP e2e: no Chromium: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chrome), chromedp.WindowSize(1280, 800), chromedp.WSURLReadTimeout(patience))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	alloc, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop := chromedp.NewContext(alloc)
	t.Cleanup(stop)
	b := &browser{ctx: ctx, server: s}
	if err := chromedp.Do(ctx, chromedp.Navigate(s.url+"/")); err != nil { // the tab lives as long as this context
		t.Fatal(err)
	}
	b.arm(t)
	return b
}

func (b *browser) run(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// arm answers the page's questions with yes, takes alerts for scripts that ran,
// keeps what is thrown, and adds up what moves.
func (b *browser) arm(t *testing.T) {
	t.Helper()
	b.js(t, `window.confirm = () => true; window.alert = () => { window.pwned = 1; }; addEventListener("error", e => { window.thrown = String(e.message); });
		window.shift = 0; window.moved = []; new PerformanceObserver(l => l.getEntries().forEach(e => {
			if (e.hadRecentInput) return;
			window.shift += e.value;
			const box = r => [r.x, r.y, r.width, r.height].map(Math.round).join(" ");
			e.sources.forEach(s => moved.push(e.value.toFixed(3) + " " + (s.node?.outerHTML ?? s.node?.data ?? "what is gone").slice(0, 80) + ": " + box(s.previousRect) + " -> " + box(s.currentRect)));
		})).observe({type: "layout-shift", buffered: true})`)
}

func (b *browser) reload(t *testing.T) {
	t.Helper()
	if thrown := b.value(t, `window.thrown ?? (window.pwned && "a visitor's text ran") ?? ""`); thrown != "" {
		t.Errorf("in the page: %v", thrown)
	}
	b.run(t, chromedp.Reload())
	b.arm(t)
}

func (b *browser) open(t *testing.T, at string) {
	t.Helper()
	b.js(t, fmt.Sprintf(`location.hash = %q`, at))
}

// js runs a script in the page.
func (b *browser) js(t *testing.T, script string) {
	t.Helper()
	b.run(t, chromedp.Evaluate[chromedp.Void](script, chromedp.EvalAwaitPromise))
}

func (b *browser) value(t *testing.T, expression string) any {
	t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[any](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for the page to come to something, which may be a promise.
func (b *browser) until(t *testing.T, condition string) {
	t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(async () => !!(await (`+condition+`)))()`, chromedp.EvalAwaitPromise))
		if ok && err == nil {
			return
		}
		select {
		case <-ctx.Done():
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("#main").innerText.slice(0, 1500)`))
			t.Fatalf("never: %s (%v)\n%s", condition, err, text)
		case <-time.After(between):
		}
	}
}

// click waits until a pointer in the middle of the element would hit it, and
// clicks in the same breath: a page that moves meanwhile cannot slip away.
func (b *browser) click(t *testing.T, at string) {
	t.Helper()
	b.until(t, fmt.Sprintf(`(e => {
		if (!e || e.disabled) return false;
		e.scrollIntoView({block: "center", behavior: "instant"});
		const r = e.getBoundingClientRect(), hit = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
		if (!hit || !e.contains(hit)) return false;
		e.click();
		return true;
	})(document.querySelector(%q))`, at))
}

// fill writes into a field as a visitor's input method does.
func (b *browser) fill(t *testing.T, at, text string) {
	t.Helper()
	quoted, _ := json.Marshal(text)
	b.run(t, chromedp.WaitReady(chromedp.CSS(at)))
	b.js(t, fmt.Sprintf(`(() => { const e = document.querySelector(%q);
		Object.getOwnPropertyDescriptor(Object.getPrototypeOf(e), "value").set.call(e, %s); e.dispatchEvent(new Event("input", {bubbles: true})); })()`, at, quoted))
}

// cardPNG writes a character's card, version 2, into a picture.
func cardPNG(t *testing.T, name, description, greeting string) string {
	t.Helper()
	card, err := json.Marshal(map[string]any{"spec": "chara_card_v2", "spec_version": "2.0", "data": map[string]any{"name": name, "description": description, "first_mes": greeting}})
	if err != nil {
		t.Fatal(err)
	}
	var pic bytes.Buffer
	if err := png.Encode(&pic, image.NewRGBA(image.Rect(0, 0, 64, 64))); err != nil {
		t.Fatal(err)
	}
	chunk := append([]byte("tEXtchara\x00"), base64.StdEncoding.EncodeToString(card)...)
	out := binary.BigEndian.AppendUint32(bytes.Clone(pic.Bytes()[:33]), uint32(len(chunk)-4)) // after the header
	out = binary.BigEndian.AppendUint32(append(out, chunk...), crc32.ChecksumIEEE(chunk))
	path := filepath.Join(t.TempDir(), "mira.png")
	if err := os.WriteFile(path, append(out, pic.Bytes()[33:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// axeSource returns axe-core as a quoted text; "" where npm cannot bring it.
func axeSource(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("KUAI_AXE") // a folder that holds node_modules/axe-core
	if dir == "" {
		dir = t.TempDir()
		ctx, stop := context.WithTimeout(t.Context(), patience)
		defer stop()
		if out, err := exec.CommandContext(ctx, "npm", "install", "--no-save", "--silent", "--prefix", dir, "axe-core@4").CombinedOutput(); err != nil {
			t.Logf("SKIP axe: npm cannot bring axe-core: %v %s", err, out)
			return ""
		}
	}
	source, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Logf("SKIP axe: %v", err)
		return ""
	}
	quoted, _ := json.Marshal(string(source))
	return string(quoted)
}
