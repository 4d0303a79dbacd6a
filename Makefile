# make help lists the targets. Everything needs only Go, git and make; what
# else a target needs, it says and skips.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# tools/go.mod, a module of its own, holds the tools so that the product's
# go.mod stays clean. It is made, in tools/, by
#   go mod init kuai/tools
#   go get -tool github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 \
#     golang.org/x/vuln/cmd/govulncheck@v1.9.0 golang.org/x/perf/cmd/benchstat@latest
# The first build of golangci-lint takes about three minutes on two cores.

PKG   ?= ./...
COUNT ?= 10
BASE  ?= main
KILLS ?= 200
TOOL  := go tool -modfile=tools/go.mod

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/kuai, one static binary
	CGO_ENABLED=0 go build -tags nodynamic -trimpath -o bin/kuai ./cmd/kuai

.PHONY: test
test: ## all fast tests, as CI runs them
	go test $(PKG)

.PHONY: chaos
chaos: ## kill a server and its workers KILLS (200) times under load, fill its disk, take its database, split its messages, move its clock; then count jobs, cents and bytes
	go test -count=1 -timeout 120m -v -parallel 1 -run '^TestChaos' ./cmd/kuai -args -kills $(KILLS)

.PHONY: bench-peers
bench-peers: ## f32 products beside OpenBLAS, language models beside llama.cpp, the server beside LiteLLM, in the same minutes
	@tools/peers/gemm.sh
	@tools/peers/text.sh
	@tools/peers/gateway.sh

# The clients come from npm into a cache directory; NODE_CACHE=dir chooses it,
# RECORD=dir writes down their requests for the replay in make test.
NODE_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kuai-conformance
.PHONY: conformance
conformance: build ## the official clients from npm against kuai serve; writes docs/conformance.md
	@command -v npm >/dev/null || { echo "SKIP conformance: no npm"; exit 0; }; \
	mkdir -p "$(NODE_CACHE)" && cp tools/conformance/* "$(NODE_CACHE)/" && cd "$(NODE_CACHE)" && npm ci --no-audit --no-fund --silent && \
	node run.mjs "$(CURDIR)/bin/kuai" "$(CURDIR)/docs/conformance.md" $(if $(RECORD),"$(abspath $(RECORD))")

.PHONY: readme
readme: ## run the README's commands: the blocks that begin ```sh run
	@awk '/^```sh run$$/ { on = 1; next } /^```$$/ { on = 0 } on' README.md | bash -exuo pipefail

.PHONY: race
race: ## tests of the concurrent rooms under the race detector (needs a C compiler)
	@if command -v $$(go env CC) >/dev/null; then CGO_ENABLED=1 go test -race -short $(PKG); \
	else echo "SKIP race: no C compiler"; fi

.PHONY: check
check: fmt-check vet lint vuln ## format, vet, lint, known vulnerabilities

.PHONY: fmt
fmt: ## format the code
	$(TOOL) golangci-lint fmt

.PHONY: fmt-check
fmt-check:
	@$(TOOL) golangci-lint fmt --diff || { echo "run: make fmt"; exit 1; }
	go mod tidy -diff

.PHONY: vet
vet:
	go vet $(PKG)
	GOARCH=arm64 go vet $(PKG)

.PHONY: lint
lint:
	$(TOOL) golangci-lint run

# govulncheck fetches its database; a machine that cannot reach it skips, loudly.
.PHONY: vuln
vuln:
	@out=$$($(TOOL) govulncheck $(PKG) 2>&1) && { echo "$$out" | tail -1; exit 0; }; \
	if grep -q 'fetching vulnerabilities' <<<"$$out"; then echo "SKIP vuln: no vulnerability database (set GOVULNDB)"; \
	else echo "$$out"; exit 1; fi

.PHONY: studio
studio: ## bundle the studio's pages again
	go generate ./studio

# Needs Chromium; axe-core comes by npm where there is npm. KUAI_SHOTS=DIR keeps
# pictures of every screen.
.PHONY: e2e
e2e: build ## walk the studio in headless Chromium, with a real server
	go test -C tools -count=1 -timeout 2h -v ./e2e

.PHONY: gen
gen: ## regenerate assembly and tables
	go generate $(PKG)

# Generated files are exactly what their generators make.
.PHONY: gen-check
gen-check:
	@tree() { git status --porcelain; git diff; }; before=$$(tree); $(MAKE) gen; \
	[ "$$(tree)" = "$$before" ] || { git status --short; echo "run: make gen, and commit"; exit 1; }

.PHONY: fuzz
fuzz: ## each fuzz test for FUZZTIME (20s)
	@for pkg in $$(go list $(PKG)); do \
	  for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    go test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-20s} $$pkg; done; done

.PHONY: bench
bench: ## benchmarks of one package against BASE, in turns: make bench PKG=./kernel/gemm
	@dir=$$(mktemp -d); trap 'git worktree remove --force "$$dir/old"; rm -rf "$$dir"' EXIT; \
	git worktree add --quiet --detach "$$dir/old" $(BASE); \
	go test -c -o "$$dir/new.test" $(PKG); (cd "$$dir/old" && go test -c -o "$$dir/old.test" $(PKG)); \
	for i in $$(seq $(COUNT)); do for v in old new; do \
	  (cd $(PKG) && "$$dir/$$v.test" -test.run '^$$' -test.bench . -test.benchmem >>"$$dir/$$v.txt"); done; done; \
	$(TOOL) benchstat old="$$dir/old.txt" new="$$dir/new.txt"
