// Package e2e walks the studio in a real browser against a real server with
// the built-in models: make e2e. It needs bin/kuai (make build) and Chromium;
// without either it skips and says so.
package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

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
		{"first picture", firstPicture},
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
	b.click(t, "#sticker")
	b.click(t, ".stickers button")
	b.until(t, `!document.querySelector("dialog") && document.querySelector(".sticker video:not([controls])")?.readyState > 1`)
	b.reload(t)
	b.until(t, `document.querySelector(".scene video")?.readyState > 1 && document.querySelector(".scene figcaption").textContent.includes("crab")`)
	b.until(t, `document.querySelector(".sticker video")?.getBoundingClientRect().width < 150`)
	b.fill(t, "#say", "/sticker a crab jumps")
	b.click(t, ".talk .primary")
	b.until(t, `document.querySelectorAll(".sticker video").length === 2`)
	b.keep("characters sticker")
}

// firstPicture orders of a model whose clips begin with a picture, which this
// server has not: the page's requests are looked at, and its refusals made up.
func firstPicture(t *testing.T, b *browser) {
	b.js(t, `window.plain = fetch; window.forms = []; window.fetch = async (u, o) => {
		if (String(u).includes("/videos/options")) return Response.json({...await (await plain(u, o)).json(), models: ["wan", "kuai-video"], forms: [{model: "wan", width: 832, height: 480, frames: 81, fps: 16, stride: 4, begins_with_picture: true, takes: ["seed", "frames"]}]});
		if (!(o?.body instanceof FormData)) return plain(u, o);
		forms.push(o.body);
		return Response.json({error: {message: "it is all black", param: "input_reference"}}, {status: 400});
	}`)
	b.open(t, "#/chat")
	b.until(t, `document.querySelector("#ask")`)
	b.open(t, "#/create")
	b.until(t, `document.querySelector("#first")`)
	b.fill(t, "#prompt", "a fox jumps")
	b.click(t, "#make")
	b.until(t, `document.querySelector(".first .why")?.textContent.includes("choose one") && forms.length === 0`)
	choose := func(name, kind, bytes string) {
		b.js(t, fmt.Sprintf(`(e => { const d = new DataTransfer(); d.items.add(new File([%s], %q, {type: %q})); e.files = d.files; e.dispatchEvent(new Event("change", {bubbles: true})); })(document.querySelector("#first"))`, bytes, name, kind))
	}
	choose("notes.txt", "text/plain", `"words"`)
	b.until(t, `document.querySelector(".first .why")?.textContent.includes("notes.txt is no picture")`)
	choose("huge.png", "image/png", `new Uint8Array(13 << 20)`)
	b.until(t, `/huge.png has 13.6 MB/.test(document.querySelector(".first .why")?.textContent)`)
	pick := func(of, what string) {
		b.js(t, fmt.Sprintf(`(e => { e.value = %q; e.dispatchEvent(new Event("change", {bubbles: true})); })(document.querySelector(%q))`, what, of))
	}
	if n := b.value(t, `document.querySelectorAll(".options input").length`); n != 1.0 {
		t.Errorf("%v options of a model that takes the seed alone", n)
	}
	pick("#seconds", "2") // 33 frames at 16 a second
	b.until(t, `document.querySelector(".price").textContent.includes("0.0928 USD")`)
	choose("fox.png", "image/png", `Uint8Array.from(atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="), c => c.charCodeAt(0))`)
	b.until(t, `document.querySelector(".first img")?.naturalWidth === 1 && !document.querySelector(".first .why")`)
	b.click(t, "#make")
	b.until(t, `document.querySelector(".first .why")?.textContent === "it is all black" && document.querySelector("#prompt").value === "a fox jumps"`)
	b.keep("create first picture")
	if got := b.value(t, `forms.map(f => [f.get("model"), f.get("prompt"), f.get("input_reference").name, f.get("seconds")].join(" ")).join("; ")`); got != "wan a fox jumps fox.png 2" {
		t.Errorf("the form was %q", got)
	}
	pick("#filming", "kuai-video")
	b.until(t, `!document.querySelector("#first")`)
	b.until(t, `!document.querySelector("#seconds")`)
	b.reload(t)
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
