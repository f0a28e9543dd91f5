# Two commands matter: `make run` shows Starling with a test broadcast, and
# `make test` checks everything. Both install what is missing first.

GO     ?= go
CLIENT := peerjs-client
BIN    := bin/starling

# What the client's bundle and the binary are made of.
CLIENT_SOURCES := $(shell find $(CLIENT)/src -type f 2>/dev/null) $(wildcard $(CLIENT)/*.mjs $(CLIENT)/*.json)
GO_SOURCES     := $(shell find . -name '*.go' -not -path '*/node_modules/*' -not -path './var/*' 2>/dev/null) go.mod go.sum
STAMP          := $(CLIENT)/dist/index.html

.DEFAULT_GOAL := build
.PHONY: run build client test test-go test-client test-e2e lint bench bench-browsers fuzz clean setup-run setup-build setup-test setup-browsers help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: setup-run ## Build what has changed and run everything in one process with a test broadcast
	@$(MAKE) -s $(BIN)
	@exec $(BIN) up --demo $(ARGS)

build: setup-build ## Build bin/starling with the browser client in it
	@$(MAKE) -s $(BIN)

client: setup-build ## Build only the browser client
	@$(MAKE) -s $(STAMP)

$(STAMP): $(CLIENT_SOURCES)
	@echo "building the browser client"
	@cd $(CLIENT) && npm run --silent build
	@touch $@

$(BIN): $(STAMP) $(GO_SOURCES)
	@echo "building $(BIN)"
	@$(GO) build -trimpath -o $@ ./cmd/starling

test: setup-test ## Lint, then every test: Go with the race detector, the client, and browsers end to end
	@$(MAKE) -s $(BIN)
	@$(MAKE) -s lint
	@$(MAKE) -s test-go
	@$(MAKE) -s test-e2e
	@$(MAKE) -s test-client

lint: $(STAMP)
	@echo "== go vet"
	@$(GO) vet ./...
	@echo "== staticcheck"
	@$(GO) tool staticcheck ./...
	@echo "== tsc"
	@cd $(CLIENT) && npm run --silent check

test-go: $(STAMP)
	@echo "== go test"
	@$(GO) test -race ./...

test-client:
	@echo "== vitest"
	@cd $(CLIENT) && npm run --silent test
	@node --test --test-reporter=dot bench/browsers/test/*.test.mjs bench/client/test/*.test.mjs

test-e2e: $(BIN)
	@echo "== end to end in browsers"
	@cd $(CLIENT) && npm run --silent e2e

bench: setup-run ## Micro-benchmarks, then a swarm of headless viewers (ARGS: see starling bench swarm --help)
	@$(MAKE) -s $(BIN)
	@$(GO) test -run '^$$' -bench . -benchmem ./...
	@deploy/bench.sh $(ARGS)

bench-browsers: setup-browsers ## Players beside each other in Chromium (ARGS: see node bench/browsers/compare.mjs --help)
	@$(MAKE) -s $(BIN)
	@node bench/browsers/compare.mjs $(ARGS)

FUZZTIME ?= 5s
fuzz: $(STAMP) ## Run every fuzz target for FUZZTIME (5s)
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

clean: ## Remove what was built; keys and certificates in var/ stay
	rm -rf bin
	find $(CLIENT)/dist -mindepth 1 -not -name .gitkeep -delete

setup-run:
	@deploy/setup.sh run
setup-build:
	@deploy/setup.sh build
setup-test:
	@deploy/setup.sh test
setup-browsers:
	@deploy/setup.sh browsers
