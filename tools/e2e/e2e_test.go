// Package e2e walks the studio in a real browser against a real server with
// the built-in models: make e2e. It needs bin/kuai (make build) and Chromium;
// without either it skips and says so.
package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// evil would run in every field that becomes HTML.
const evil = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>`

// TestStudio is one visit: its parts follow each other in one browser.
func TestStudio(t *testing.T) {
	s := newServer(t)
	b := newBrowser(t, s)
	for _, part := range []struct {
		name string
		do   func(*testing.T, *browser)
	}{
		{"first run", firstRun},
		{"clip", clip},
		{"cancelled", cancelled},
		{"killed in mid-clip", killed},
		{"character from a PNG", character},
		{"branches", branches},
		{"clip in a conversation", scene},
		{"persona and group", group},
		{"chat", chat},
		{"key", key},
		{"console", console},
		{"models", models},
		{"workers", workers},
		{"analytics", analytics},
		{"sponsor", sponsor},
		{"hostile", hostile},
		{"once", once},
		{"door", door},
		{"screens", screens},
		{"keyboard", keyboard},
		{"right to left", rightToLeft},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.do(t, b) }) {
			b.shot(filepath.Join(os.TempDir(), "kuai-e2e-failed.png"))
			t.Fatalf("the page is in %s/kuai-e2e-failed.png", os.TempDir())
		}
	}
	if b.value(t, `window.pwned === undefined`) != true {
		t.Error("a script of a visitor's text ran")
	}
}

func firstRun(t *testing.T, b *browser) {
	b.open(t, "#/console/overview")
	b.until(t, `document.querySelector(".hint a")`)
	b.click(t, "#language")
	b.until(t, `document.documentElement.lang === "zh-CN" && document.body.textContent.includes("控制台")`)
	b.click(t, "#language")
}

// make asks for a clip of few steps, so that it takes little.
func (b *browser) make(t *testing.T, prompt, steps string) {
	t.Helper()
	b.open(t, "#/create")
	b.until(t, `document.querySelector("#prompt")`)
	b.fill(t, "#prompt", prompt)
	b.js(t, `document.querySelector("details.more").open = true`)
	b.fill(t, `.options label:nth-child(2) input`, steps)
	b.click(t, "#make")
}

func clip(t *testing.T, b *browser) {
	b.make(t, "a fox jumps over the grass at night", "3")
	b.until(t, `document.querySelector(".stage video")?.readyState > 1`)
	b.js(t, `[...document.querySelectorAll(".controls [role=radio]")].find(x => x.textContent === "2×").click()`)
	b.until(t, `document.querySelector(".stage video").playbackRate === 2`)
	b.until(t, `document.querySelector(".stage video").currentTime > 0`)
	for _, format := range []string{"webm", "mp4", "gif", "webp", "png"} {
		n := b.value(t, fmt.Sprintf(`fetch([...document.querySelectorAll(".save a")].find(a => a.href.includes("format=%s&")).href).then(r => r.arrayBuffer()).then(b => b.byteLength)`, format))
		if n, _ := n.(float64); n < 1000 {
			t.Errorf("%s: %v bytes", format, n)
		}
	}
	b.js(t, `document.querySelector('.panel [aria-label="Favourite"]').click()`)
	b.fill(t, ".find input", "nothing like it")
	b.until(t, `document.querySelectorAll(".clips .card").length === 0`)
	b.fill(t, ".find input", "FOX")
	b.until(t, `document.querySelectorAll(".clips .card .star").length === 1`)
	id := b.value(t, `document.querySelector(".save a").href.split("/")[5]`)
	b.open(t, fmt.Sprintf("#/create/%s", id))
	b.until(t, `document.querySelector(".stage video") && document.querySelector("blockquote").textContent.includes("fox")`)
	b.click(t, "#share")
	b.click(t, "#share-make")
	b.until(t, `document.querySelector(".shared input")?.value.includes("sign=")`)
	watched := b.value(t, `(window.shared = document.querySelector(".shared input").value, fetch(shared).then(r => r.status + " " + r.headers.get("content-type")))`)
	if forged := b.value(t, `fetch(shared.replace(/sign=../, "sign=__")).then(r => r.status)`); watched != "200 video/mp4" || forged != 403.0 {
		t.Errorf("the shared address gives %v, a forged one %v", watched, forged)
	}
	b.click(t, "#share-make")
	b.until(t, `document.querySelectorAll(".shared input").length === 2`)
	b.js(t, `window.shared = [...document.querySelectorAll(".shared input")].map(i => i.value)`)
	b.keep("create share")
	b.click(t, "dialog header button")
	b.until(t, `!document.querySelector("dialog[open]")`)
	b.open(t, "#/console/shares")
	b.until(t, `[...document.querySelectorAll("tbody tr")].filter(r => r.textContent.includes("fox")).length === 2`)
	b.click(t, "tbody button.quiet")
	b.until(t, `document.querySelectorAll("tbody tr").length === 1`)
	if gone := b.value(t, `Promise.all(shared.map(u => fetch(u).then(r => r.status))).then(all => all.sort().join(" "))`); gone != "200 404" {
		t.Errorf("one taken back, the two addresses give %v", gone)
	}
	b.open(t, fmt.Sprintf("#/create/%s", id))
	b.fill(t, "#prompt", evil)
	b.click(t, "#make")
	b.until(t, `document.querySelector(".why, .error, .work") || document.querySelector("blockquote").textContent.includes("onerror")`)
}

// races is how often a part may lose against a server that is done before this
// browser, which a busy machine delays, has done what must come in between.
const races = 5

// mostSteps makes a clip take as long as it can.
const mostSteps = "200"

// cancelled takes an order back while it is made, with its first picture seen.
func cancelled(t *testing.T, b *browser) {
	for range races {
		b.until(t, `!document.querySelector(".work")`)
		before := b.balance(t)
		b.make(t, "a whale jumps on the sea", mostSteps)
		const done = `document.querySelector("blockquote")?.textContent.includes("whale")`
		b.until(t, `document.querySelector(".work .foreseen")?.naturalWidth >= 32 && [...document.querySelectorAll(".work .doing")].some(p => p.textContent.includes("whale")) || `+done)
		b.keep("create preview")
		during := b.balance(t)
		b.js(t, `document.querySelector(".work button")?.click()`)
		b.until(t, `!document.querySelector(".work")`)
		if b.value(t, `!!(`+done+`)`) == true {
			b.js(t, `document.querySelector('.panel [aria-label="Delete"]').click()`)
			b.until(t, `!(`+done+`)`)
			continue
		}
		if during.Held <= before.Held || during.Cash != before.Cash {
			t.Errorf("before %+v, while it is made %+v: want its price held and nothing spent", before, during)
		}
		if after := b.balance(t); after != before {
			t.Errorf("before %+v, after the cancellation %+v: want it refunded", before, after)
		}
		return
	}
	t.Errorf("%d clips were done before they could be cancelled", races)
}

// balance is what the visitor's organisation has, and what is held of it.
type balance struct{ Cash, Promo, Held, Spent float64 }

func (b *browser) balance(t *testing.T) (v balance) {
	t.Helper()
	b.until(t, `!document.querySelector("#make")?.disabled`)
	parts, _ := b.value(t, `fetch("/api/v1/balance").then(r => r.json()).then(b => [b.cash, b.promo, b.held, b.spent.month].map(Number))`).([]any)
	for i, p := range []*float64{&v.Cash, &v.Promo, &v.Held, &v.Spent} {
		*p, _ = parts[i].(float64)
	}
	return v
}

// killed ends the server while it draws, and starts it again: the page goes on
// and shows the clip.
func killed(t *testing.T, b *browser) {
	const done = `document.querySelector(".stage video") && document.querySelector("blockquote").textContent.includes("rocket")`
	b.make(t, "a rocket flies up in space", "60")
	b.until(t, `document.querySelector(".work progress")?.value > 0 || `+done)
	b.server.kill(t)
	b.until(t, `document.querySelector(".offline") || `+done)
	if b.value(t, `!!(`+done+`)`) == true {
		t.Log("the clip was done before the server could be killed")
	}
	b.server.start(t)
	b.until(t, `!document.querySelector(".offline")`)
	b.until(t, done)
}

func character(t *testing.T, b *browser) {
	card := cardPNG(t, "Mira", "Keeps a lighthouse. "+evil, "Ahoy, {{user}}! "+evil)
	b.open(t, "#/characters")
	b.until(t, `document.querySelectorAll(".people > a").length >= 6`)
	b.run(t, chromedp.SetUploadFiles(chromedp.CSS("#import"), []string{card}))
	b.until(t, `location.hash === "#/characters/mira" && document.querySelector(".them")?.textContent.includes("Ahoy")`)
	b.say(t, "I live in Oslo.")
	b.until(t, `document.querySelector(".facts").textContent.includes("Oslo")`)
	b.reload(t)
	b.until(t, `document.querySelector(".facts")?.textContent.includes("Oslo")`)
	b.say(t, "Where do I live?")
	b.until(t, `document.querySelector(".said .turn:last-child .them").textContent.includes("Oslo")`)
	b.until(t, `document.querySelector(".memory details")?.textContent.includes("Oslo")`)
	b.say(t, evil)
	b.open(t, "#/characters/mira/card")
	b.until(t, `/[1-9]\d* tokens/.test(document.querySelector("#tokens")?.textContent)`)
	if n := b.value(t, `fetch([...document.querySelectorAll(".editor .save a")][0].href).then(r => r.arrayBuffer()).then(b => b.byteLength)`); n.(float64) < 500 {
		t.Errorf("the card has %v bytes", n)
	}
}

// say says something and waits until it stands there with a reply below it: the
// page may still show another branch when it is said.
func (b *browser) say(t *testing.T, text string) {
	t.Helper()
	b.fill(t, "#say", text)
	b.click(t, ".talk .primary")
	b.until(t, fmt.Sprintf(`(all => {
		const mine = all.findLastIndex(x => x.querySelector(".me")?.textContent.includes(%q));
		return mine >= 0 && all.slice(mine + 1).some(x => x.querySelector(".them")) && document.querySelector(".said .again");
	})([...document.querySelectorAll(".said .turn")])`, text))
}

// branches asks for another reply, goes back to the first, and to the beginning.
func branches(t *testing.T, b *browser) {
	b.open(t, "#/characters/mira")
	b.until(t, `document.querySelector(".again")`)
	b.click(t, ".again")
	b.until(t, `document.querySelector(".swipes")?.textContent.includes("2 of 2")`)
	b.click(t, ".swipes button:first-child")
	b.until(t, `document.querySelector(".swipes")?.textContent.includes("1 of 2")`)
	b.open(t, "#/characters/mira/branches")
	b.until(t, `document.querySelectorAll(".tree .node").length >= 8`)
	b.click(t, ".tree .node")
	b.until(t, `!document.querySelector(".tree .node.present")`)
}

// scene asks a character's conversation for a clip, which stays where it is
// over a reload.
func scene(t *testing.T, b *browser) {
	b.open(t, "#/characters/mira")
	b.until(t, `document.querySelector("#film")`)
	b.fill(t, "#say", "/clip a crab runs")
	b.click(t, ".talk .primary")
	b.until(t, `document.querySelector(".scene video")?.readyState > 1 && document.querySelector(".scene figcaption").textContent.includes("crab")`)
	b.reload(t)
	b.until(t, `document.querySelector(".scene video")?.readyState > 1 && document.querySelector(".scene figcaption").textContent.includes("crab")`)
}

// group says to be somebody, seats two characters together, and lets one be
// silent.
func group(t *testing.T, b *browser) {
	b.open(t, "#/characters/@personas")
	b.until(t, `document.querySelector("#persona-name")`)
	b.fill(t, "#persona-name", evil)
	b.click(t, "#persona-save")
	b.until(t, `document.querySelector(".persona .why")`)
	b.fill(t, "#persona-name", "Sol")
	b.fill(t, ".persona textarea", evil)
	b.click(t, "#persona-save")
	b.until(t, `document.querySelectorAll(".persona").length === 2`)
	b.open(t, "#/characters/@group")
	b.until(t, `document.querySelectorAll("fieldset input").length >= 6`)
	b.fill(t, "#group-name", "Harbour")
	b.js(t, `[...document.querySelectorAll("fieldset label")].filter(l => /Lin|Pip/.test(l.textContent)).forEach(l => l.click());
		(s => { s.value = "list"; s.dispatchEvent(new Event("change", {bubbles: true})); })(document.querySelector("select"))`)
	b.click(t, "#group-save")
	b.until(t, `location.hash.startsWith("#/characters/%40") && document.querySelectorAll(".speakers button").length === 2 && document.querySelector("#be")`)
	b.js(t, `(s => { s.selectedIndex = 1; s.dispatchEvent(new Event("change", {bubbles: true})); })(document.querySelector("#be"))`)
	b.until(t, `document.querySelector("#be").selectedIndex === 1`)
	b.say(t, "Hello you two. "+evil)
	b.until(t, `["Lin", "Pip"].every(n => [...document.querySelectorAll(".them .by")].some(b => b.textContent === n))`)
	b.js(t, `document.querySelector(".speakers button").click()`)
	b.until(t, `document.querySelectorAll(".said .turn").length >= 4 && document.querySelector(".said .again")`)
	b.js(t, `location.hash += "/seats"`)
	b.until(t, `document.querySelectorAll(".seats li").length === 2`)
	b.js(t, `document.querySelector(".seats li button").click()`)
	b.until(t, `document.querySelector(".seats li .state")`)
}

func chat(t *testing.T, b *browser) {
	b.open(t, "#/chat")
	b.until(t, `document.querySelector("#ask")`)
	note := filepath.Join(t.TempDir(), "note.md")
	binary := filepath.Join(t.TempDir(), "picture.bin")
	if err := errors.Join(os.WriteFile(note, []byte("```\n"+evil), 0o600), os.WriteFile(binary, []byte{0, 0xff}, 0o600)); err != nil {
		t.Fatal(err)
	}
	b.run(t, chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{binary}))
	b.until(t, `document.querySelector(".error")?.textContent.includes("picture.bin")`)
	b.run(t, chromedp.SetUploadFiles(chromedp.CSS("#files"), []string{note}))
	b.until(t, `document.querySelector(".files")?.textContent.includes("note.md")`)
	b.fill(t, "#ask", "Hello. "+evil)
	b.click(t, ".start .primary")
	b.until(t, `document.querySelector(".answer .rate") && document.querySelector(".me .attached").textContent.includes("note.md")`)
	b.js(t, `(() => { const s = document.querySelectorAll(".settings select")[1]; s.value = "companion"; s.dispatchEvent(new Event("change", {bubbles: true})); })()`)
	b.fill(t, "#ask", "And again.")
	b.click(t, ".thread .primary")
	b.until(t, `document.querySelectorAll(".pair .answer .rate").length === 2 && document.querySelectorAll(".thread .me").length === 2`)
	b.until(t, `[...document.querySelectorAll(".pair .answer .rate")].every(r => /tokens\/s · about [\d.]+ USD/.test(r.textContent))`)
	b.fill(t, "#ask", "Tell me a long story.")
	b.click(t, ".thread .primary")
	b.server.kill(t)
	b.until(t, `!document.querySelector(".thread [aria-busy=true]")`)
	b.server.start(t)
	b.until(t, `!document.querySelector(".offline")`)
	b.until(t, `localStorage.getItem("kuai.chats").includes("Tell me a long story.")`)
	b.reload(t)
	b.until(t, `document.body.textContent.includes("Tell me a long story.") && document.querySelector("#ask")`)
	b.until(t, `document.querySelectorAll(".settings select option").length > 2`)
	b.js(t, `document.querySelector(".thread form button.quiet").click()`)
	b.until(t, `document.querySelector(".alone:last-child .rate, .pair:last-child .rate")`)
}

func key(t *testing.T, b *browser) {
	b.open(t, "#/console/keys")
	b.until(t, `document.querySelector("table")`)
	b.click(t, "#new-key")
	b.until(t, `document.querySelector("dialog[open] #key-name")`)
	b.fill(t, "#key-name", evil)
	b.fill(t, `dialog input[type=number]`, "1000")
	b.click(t, "#make-key")
	b.until(t, `document.querySelector(".secret code")`)
	b.secret = b.value(t, `document.querySelector(".secret code").textContent`).(string)
	asks := func(want int) {
		t.Helper()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, b.server.url+"/v1/models", nil)
		r.Header.Set("Authorization", "Bearer "+b.secret)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("with the key: %s, want %d", res.Status, want)
		}
	}
	asks(http.StatusOK)
	b.open(t, "#/console/limits")
	b.until(t, `document.querySelector("table")?.textContent.includes("1,000")`)
	b.open(t, "#/console/keys")
	b.until(t, `[...document.querySelectorAll("tr")].some(r => r.textContent.includes("onerror"))`)
	b.js(t, `[...[...document.querySelectorAll("tr")].find(r => r.textContent.includes("onerror")).querySelectorAll("button")].at(-1).click()`)
	b.until(t, `[...document.querySelectorAll("tr.off")].some(r => r.textContent.includes("onerror"))`)
	asks(http.StatusUnauthorized)
}

// door is what somebody with a bad key sees, and that the page waits for a good one.
func door(t *testing.T, b *browser) {
	b.open(t, "#/console/health")
	b.js(t, `sessionStorage.setItem("kuai.key", "sk-kuai-bad")`)
	b.reload(t)
	b.until(t, `document.querySelector(".door input[type=password]")`)
	for _, bad := range []string{sly, "密钥"} {
		b.fill(t, ".door input", bad)
		b.click(t, ".door .primary")
		b.until(t, fmt.Sprintf(`document.querySelector(".door .why")?.textContent && document.querySelector(".door input").value === %q`, bad))
	}
	b.js(t, `document.querySelectorAll(".door [role=radio]")[1].click()`)
	b.fill(t, ".door input[type=email]", "nobody@example.com")
	b.fill(t, ".door input[type=password]", sly)
	b.click(t, ".door .primary")
	b.until(t, `document.querySelector(".door .field:has([type=password]) .why")`)
	b.fill(t, ".door input[type=email]", sly)
	b.click(t, ".door .primary")
	b.until(t, `document.querySelector(".door .field:has([type=email]) .why")`)
	b.inert(t, "door")
	b.js(t, `sessionStorage.removeItem("kuai.key")`)
	b.reload(t)
	b.until(t, `!document.querySelector(".door") && document.querySelector(".state.completed")`)
}

// pages are all screens, with what says that one is there.
var pages = []struct{ at, there string }{
	{"#/create", ".clips .card"},
	{"#/characters", ".people > a"},
	{"#/characters/lin", "#say"},
	{"#/characters/mira/branches", ".tree .node"},
	{"#/characters/mira/card", ".editor .save"},
	{"#/characters/new", ".editor .primary"},
	{"#/characters/@group", "#group-name"},
	{"#/characters/@harbour", ".speakers"},
	{"#/characters/@harbour/seats", ".seats li"},
	{"#/characters/@personas", ".persona"},
	{"#/chat", "#ask"},
	{"#/chat/written", ".pair .answer .rate"},
	{"#/console/overview", ".cards"},
	{"#/console/keys", "table"},
	{"#/console/people", ".inline"},
	{"#/console/projects", ".plain li"},
	{"#/console/limits", ".inline"},
	{"#/console/usage", ".chart"},
	{"#/console/prices", "table"},
	{"#/console/jobs", "table"},
	{"#/console/shares", "table"},
	{"#/console/models", "table"},
	{"#/console/workers", ".code"},
	{"#/console/analytics", ".chart"},
	{"#/console/sponsors", "table"},
	{"#/console/audit", "table"},
	{"#/console/health", ".state.completed"},
}

// screens looks at every screen in both themes, on a phone and on a desk: axe
// finds nothing serious, and nothing stands out to the side of the page or of
// its part. What is there does not move when the rest comes, whether the screen
// is gone to or called by its address. With KUAI_SHOTS, a folder, it keeps
// pictures of them in both languages.
func screens(t *testing.T, b *browser) {
	axe, left := axeSource(t), english(t)
	b.js(t, `addEventListener("pagehide", () => localStorage.setItem("kuai.chats", JSON.stringify([`+written+`])))`) // after the page has kept its own
	b.reload(t)
	all := looks
	if shots == "" {
		all = all[:4]
	}
	for _, look := range all {
		b.run(t, chromedp.EmulateViewport(look.width, look.height))
		b.js(t, fmt.Sprintf(`localStorage.setItem("kuai.theme", '"%s"'); localStorage.setItem("kuai.language", '"%s"')`, look.theme, look.language))
		b.reload(t)
		b.quick(t, fmt.Sprintf("%s %d", look.theme, look.width))
		for _, p := range pages {
			b.js(t, `window.shift = 0; window.moved = []`)
			b.open(t, p.at)
			b.until(t, fmt.Sprintf(`document.documentElement.dataset.theme === %q && document.querySelector(%q)`, look.theme, p.there))
			name := fmt.Sprintf("%s %s %s %d", p.at, look.theme, look.language, look.width)
			b.within(t, name)
			b.inert(t, name)
			if look.language == "zh" && os.Getenv("KUAI_LONG") != "" {
				b.chinese(t, name, left)
			}
			if axe != "" && (look.language == "en" || look.theme == "light") {
				b.check(t, name, axe)
			}
			b.still(t, name)
			b.keep(name)
			if shots == "" && look.language == "en" == (look.theme == "light") {
				b.reload(t)
				b.until(t, fmt.Sprintf(`document.querySelector(%q)`, p.there))
				b.still(t, name+", by its address")
			}
		}
	}
}

// looks are the ways that a screen can look; half of them are enough but for pictures.
var looks = []struct {
	theme, language string
	width, height   int64
}{
	{"light", "en", 1280, 800},
	{"dark", "zh", 360, 740},
	{"dark", "en", 1280, 800},
	{"light", "zh", 360, 740},
	{"light", "zh", 1280, 800},
	{"dark", "en", 360, 740},
	{"dark", "zh", 1280, 800},
	{"light", "en", 360, 740},
}

// written is a chat that nobody had: pictures show the page, and not what a model
// of some megabytes makes of a question.
const written = `{id: "written", title: "Reverse a string in Go", at: 0, model: "model-a", second: "model-b",
	turns: [{role: "user", text: "How do I reverse a string in Go?"}, {role: "assistant", model: "model-a", tokens: 96, seconds: 2.1, cost: 0.000058, currency: "USD",
		text: "Turn it into **runes** first, so that letters of several bytes stay whole:\n\n~~~go\nfunc Reverse(s string) string {\n\tr := []rune(s)\n\tslices.Reverse(r) // Go 1.21 and later\n\treturn string(r)\n}\n~~~\n\nIt takes time and room that grow with the text.".replaceAll("~~~", "\u0060".repeat(3))}],
	beside: [{role: "user", text: "How do I reverse a string in Go?"}, {role: "assistant", model: "model-b", tokens: 71, seconds: 0.9, cost: 0.000021, currency: "USD",
		text: "1. Convert the string to a slice: \u0060r := []rune(s)\u0060\n2. Reverse it with \u0060slices.Reverse(r)\u0060\n3. Convert it back: \u0060string(r)\u0060\n\n> Marks that combine with a letter, such as accents, end up before it."}]}`

// quick checks that the page can be used within a second. The best of some loads
// counts: others keep the machine busy.
func (b *browser) quick(t *testing.T, name string) {
	t.Helper()
	best := math.Inf(1)
	for range races {
		b.reload(t)
		b.until(t, `performance.getEntriesByName("first-contentful-paint").length > 0`)
		ms, _ := b.value(t, `Math.max(performance.getEntriesByName("first-contentful-paint")[0].startTime, performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd)`).(float64)
		if best = min(best, ms); best < mostWait {
			break
		}
	}
	if best >= mostWait {
		t.Errorf("%s: %.0f ms until the page is painted and its script has run, want less than %d", name, best, mostWait)
	}
	t.Logf("%s: %.0f ms until the page is painted and its script has run", name, best)
}

const mostWait = 1000 // milliseconds

// english is what the studio says in English and differently in Chinese, with
// what stands in braces left out, as quoted JSON.
func english(t *testing.T) string {
	t.Helper()
	read := func(language string) map[string]string {
		text, err := os.ReadFile(filepath.Join("..", "..", "studio", "src", "words", language+".ts"))
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		for _, m := range regexp.MustCompile(`(\w+): "((?:[^"\\]|\\.)*)"`).FindAllStringSubmatch(string(text), -1) {
			all[m[1]] = m[2]
		}
		return all
	}
	en, zh := read("en"), read("zh")
	if len(en) != len(zh) || len(en) < 300 {
		t.Fatalf("%d words in English, %d in Chinese", len(en), len(zh))
	}
	var left []string
	for word, says := range en {
		if says != zh[word] {
			left = append(left, regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(says), ".*"))
		}
	}
	slices.Sort(left)
	quoted, _ := json.Marshal("^(?:" + strings.Join(slices.Compact(left), "|") + ")[…:]?$")
	return string(quoted)
}

// chinese checks that the page, in Chinese, says nothing in English of what the
// studio has in Chinese.
func (b *browser) chinese(t *testing.T, name, left string) {
	t.Helper()
	if found := b.value(t, `(re => {
		const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
		while (all.nextNode()) {
			const on = all.currentNode.parentElement;
			if (!on.closest("script, style, code, pre, [lang=en]") && on.value !== on.textContent && on.checkVisibility() && re.test(all.currentNode.data.trim())) found.push(all.currentNode.data.trim());
		}
		for (const e of document.querySelectorAll("[aria-label], [title], [placeholder]")) {
			if (!e.closest("[lang=en]")) for (const a of ["aria-label", "title", "placeholder"]) if (re.test(e.getAttribute(a) ?? "")) found.push(e.getAttribute(a));
		}
		return found.join(" | ");
	})(new RegExp(`+left+`, "u"))`); found != "" {
		t.Errorf("%s: in English: %v", name, found)
	}
}

// mostShift is how much of a screen may move while it comes, by the measure of
// web.dev/cls: above it a page is no longer good.
const mostShift = 0.1

// still waits until a screen stands still, and says what moved before it did.
func (b *browser) still(t *testing.T, name string) {
	t.Helper()
	b.until(t, settled)
	if n, _ := b.value(t, `shift`).(float64); n >= mostShift {
		t.Errorf("%s: layout shift %.3f: %v", name, n, b.value(t, `moved.slice(-12).join("\n")`))
	}
}

// within checks that nothing stands out to the side of the page or of its part.
func (b *browser) within(t *testing.T, name string) {
	t.Helper()
	if over := b.value(t, `document.documentElement.scrollWidth - innerWidth`); over != 0.0 {
		t.Errorf("%s: %v pixels stand out to the side", name, over)
	}
	if over := b.value(t, `[...document.querySelectorAll(".screen > *, .screen > * > *")].filter(x => getComputedStyle(x).overflowX === "visible" && x.scrollWidth > x.clientWidth + 1 && x.clientWidth > 0).map(x => x.className || x.tagName).join(", ")`); over != "" {
		t.Errorf("%s: something stands out of %v", name, over)
	}
}

// settled is a page that has all it asked for and stands still.
const settled = `!document.querySelector(".loading") && [...document.images].every(i => i.complete) && [...document.querySelectorAll("video")].every(v => v.readyState > 1) &&
	document.getAnimations().every(a => a.playState !== "running" || a.effect.getTiming().iterations === Infinity) && new Promise(done => setTimeout(done, 600, true))`

// check lets axe look at the page.
func (b *browser) check(t *testing.T, name, axe string) {
	t.Helper()
	b.js(t, `window.axe || (0, eval)(`+axe+`); 0`)
	found, _ := b.value(t, `axe.run({resultTypes: ["violations"]}).then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(v => v.id + ": " + v.nodes.slice(0, 3).map(n => n.target.join(" ") + " " + (n.any[0]?.message ?? "")).join("; ")))`).([]any)
	for _, f := range found {
		t.Errorf("%s: %s", name, f)
	}
}

// shots is a folder for pictures; "" is none.
var shots = os.Getenv("KUAI_SHOTS")

// keep keeps a picture of the page, if pictures are wanted.
func (b *browser) keep(name string) {
	if shots != "" {
		b.shot(filepath.Join(shots, strings.NewReplacer("#/", "", "/", "-", " ", "-").Replace(name)+".png"))
	}
}

func (b *browser) shot(path string) {
	ctx, stop := context.WithTimeout(b.ctx, time.Minute)
	defer stop()
	if png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err == nil {
		_ = os.WriteFile(path, png, 0o644)
	}
}
