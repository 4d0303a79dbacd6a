package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func console(t *testing.T, b *browser) {
	b.open(t, "#/console/projects")
	b.until(t, `document.querySelector(".inline input")`)
	b.fill(t, ".inline input", evil)
	b.click(t, ".inline .primary")
	b.until(t, `[...document.querySelectorAll(".plain li")].some(r => r.textContent.includes("onerror"))`)
	b.open(t, "#/console/audit")
	b.until(t, `document.querySelector("table")?.textContent.includes("key")`)
	b.js(t, `document.querySelector(".panel button").click()`)
	b.until(t, `/chain is whole: [1-9]/.test(document.body.textContent)`)
	b.open(t, "#/console/usage")
	b.until(t, `document.querySelector(".chart rect") && document.querySelector("table")`)
	b.open(t, "#/console/prices")
	b.until(t, `document.querySelectorAll("tbody tr").length >= 8`)
	b.fill(t, "#price-amount", "nothing")
	b.click(t, "#price-save")
	b.until(t, `document.querySelector(".prices .why")`)
	b.fill(t, "#price-amount", "0.09")
	b.click(t, "#price-save")
	b.until(t, `[...document.querySelectorAll("tbody tr")].some(r => r.textContent.includes("0.09 USD") && r.querySelector(".state.done"))`)
	b.open(t, "#/console/jobs")
	b.until(t, `document.querySelector("table")`)
	b.open(t, "#/console/health")
	b.until(t, `document.querySelector(".state.completed")`)
}

// models loads a second model beside the first, and unloads it.
func models(t *testing.T, b *browser) {
	own, err := filepath.Glob(filepath.Join(b.server.data, "builtin", "companion-*"))
	if err != nil || len(own) == 0 {
		t.Fatal("no built-in model is unpacked", err)
	}
	if err := os.CopyFS(filepath.Join(b.server.data, "models", "friends", "twin"), os.DirFS(own[0])); err != nil {
		t.Fatal(err)
	}
	b.open(t, "#/console/models")
	row := `[...document.querySelectorAll("tbody tr")].find(r => r.textContent.includes("friends/twin"))`
	b.until(t, row)
	b.js(t, row+`.querySelector("button").click()`)
	b.until(t, row+`.querySelector(".state.done")`)
	b.until(t, `fetch("/v1/models").then(r => r.json()).then(m => m.data.some(x => x.id === "twin"))`)
	b.js(t, row+`.querySelector("button").click()`)
	b.until(t, `!`+row+`.querySelector(".state.done")`)
	b.fill(t, ".inline input", evil)
	b.click(t, ".inline .primary")
	b.until(t, `document.querySelector(".inline .why")?.textContent.includes("organisation/repository")`)
}

// workers lets this machine drain, and makes a token for another.
func workers(t *testing.T, b *browser) {
	b.open(t, "#/console/workers")
	b.until(t, `document.querySelector("tbody .state.done")`)
	b.js(t, `document.querySelector("tbody button").click()`)
	b.until(t, `document.querySelector("tbody tr").textContent.includes("drains")`)
	b.click(t, "tbody button") // once it rests no more
	b.until(t, `document.querySelector("tbody tr .state.done") && !document.querySelector("tbody tr").textContent.includes("drains")`)
	b.fill(t, ".inline input", "rack-"+evil)
	b.click(t, ".inline .primary")
	b.until(t, `/KUAI_WORKER_TOKEN=kuai-worker-[A-Z2-7]{20,} kuai worker --join http/.test(document.querySelector(".code code").textContent)`)
	b.js(t, `document.querySelector(".hint button").click()`)
	b.until(t, `document.querySelector(".code code").textContent.includes("…") && document.querySelectorAll("table").length === 2`)
}

// analytics shows today's visitor, and computes costs from what work costs.
func analytics(t *testing.T, b *browser) {
	b.open(t, "#/console/analytics")
	b.until(t, `document.querySelectorAll(".chart rect").length === 30 && document.querySelectorAll("table").length === 2`)
	b.until(t, `[...document.querySelectorAll("tbody tr")].some(r => r.textContent.includes("operator"))`)
	b.js(t, `document.querySelector("details.more").open = true`)
	b.fill(t, "details .field:nth-child(6) input", "0.01") // a second of video
	b.click(t, "details .primary")
	b.until(t, `[...document.querySelectorAll(".cards div")].some(d => d.querySelector("dt").textContent === "Cost" && parseFloat(d.querySelector("dd").textContent) > 0)`)
	csv := b.value(t, `fetch([...document.querySelectorAll("a[download]")][1].href).then(r => r.text())`)
	if text, _ := csv.(string); !strings.HasPrefix(text, "day,size,d1,d7,d30\n") {
		t.Errorf("the export is %q", csv)
	}
}

// sponsor makes a slot, which the studio shows only once that is switched on.
func sponsor(t *testing.T, b *browser) {
	b.open(t, "#/console/sponsors")
	b.until(t, `document.querySelector("#slot-text")`)
	b.fill(t, "#slot-sponsor", "Bakery")
	b.fill(t, "#slot-text", "Fresh bread "+evil)
	b.fill(t, "#slot-link", "javascript:alert(1)")
	b.click(t, "#slot-save")
	b.until(t, `document.querySelector("label.wrong #slot-link")`)
	b.fill(t, "#slot-link", "https://example.com/")
	b.click(t, "#slot-save")
	b.until(t, `document.querySelector("tbody .state.done")`)
	b.open(t, "#/create")
	b.until(t, `document.querySelector(".clips .card")`)
	if b.value(t, `document.querySelector(".sponsored") === null`) != true {
		t.Error("a sponsor is shown though nobody switched that on")
	}
	b.open(t, "#/console/sponsors")
	b.until(t, `document.querySelector("#sponsor-on")`)
	b.click(t, "#sponsor-on")
	b.until(t, `fetch("/api/v1/sponsor/slots").then(r => r.json()).then(v => v.enabled)`)
	b.open(t, "#/create")
	b.until(t, `document.querySelector(".sponsored a")?.textContent.includes("Fresh bread")`)
	b.js(t, `document.querySelector(".sponsored").scrollIntoView()`)
	b.until(t, `fetch("/api/v1/sponsor/slots").then(r => r.json()).then(v => v.data[0].impressions === 1)`)
	b.open(t, "#/console/sponsors")
	b.until(t, `document.querySelector("#fill")?.textContent === "100.0 %"`)
}
