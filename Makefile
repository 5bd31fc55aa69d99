# paas. `make up` is the way in, `make test` the way to be sure.
SHELL := /bin/sh
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILDKIT := $(shell awk '$$1 == "github.com/moby/buildkit" {print $$2; exit} $$2 == "github.com/moby/buildkit" {print $$3; exit}' go.mod)
SOURCES  := $(shell find . -name '*.go' ! -name '*_test.go' ! -path './examples/*' ! -path './tools/*') \
            $(shell find migrations web -type f ! -name '*.go' 2>/dev/null) go.mod go.sum
# Modules' own build information is enough; a checkout by another user must not fail.
GOBUILD  := go build -trimpath -buildvcs=false

.PHONY: help up down build deps test test-engine test-faults lint fuzz bench-push bench-hosts bench-logs bench-scheduler screenshots clean clean-data tools FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

up: deps build ## install, build and start everything, and push the sample app
	@scripts/up.sh

down: ## stop what make up started; data stays
	@scripts/down.sh

build: bin/paas bin/buildkitd ## bin/paas and bin/buildkitd

deps:
	@scripts/deps.sh

# What of npm the dashboard embeds. The script touches the stamp when it changed.
bin/.assets: FORCE
	@scripts/assets.sh $@

bin/paas: $(SOURCES) bin/.assets
	@echo "-----> Building bin/paas $(VERSION) (the first time takes minutes)"
	@begin=$$(date +%s); $(GOBUILD) -ldflags '-X main.buildTag=$(VERSION)' -o $@ ./cmd/paas && touch $@ \
		&& echo "       done in $$(($$(date +%s) - begin)) s"

# Only a new pin in go.mod makes a new buildkitd.
bin/buildkitd: bin/.buildkitd-$(BUILDKIT)
	@test -x $@ || { rm -f $<; $(MAKE) $<; }
bin/.buildkitd-$(BUILDKIT):
	@echo "-----> Building bin/buildkitd $(BUILDKIT) (the first time takes minutes)"
	@mkdir -p bin && rm -f bin/.buildkitd-*
	@begin=$$(date +%s); $(GOBUILD) -o bin/buildkitd github.com/moby/buildkit/cmd/buildkitd && touch $@ \
		&& echo "       done in $$(($$(date +%s) - begin)) s"

test: bin/buildkitd ## all tests, for real, and nothing left behind
	@scripts/deps.sh test
	@$(MAKE) bin/.assets
	@scripts/axe.sh bin/axe.min.js
	@scripts/test.sh $(TESTFLAGS) $(or $(PKGS),./...)

test-faults: bin/buildkitd ## hosts, links, engines and the control plane fail, on three machines made out of one
	@scripts/deps.sh test
	@$(MAKE) bin/.assets
	@PAAS_FAULTS=1 scripts/test.sh -v -p 1 ./cmd/paas/faults ./cmd/paas/cluster ./scheduler/agent/machinetest $(TESTFLAGS)

test-engine: ## tests of what drives Docker, with another one: ENGINE=28.5.2, built from source
	@scripts/deps.sh test
	@scripts/test-engine.sh $(ENGINE)

bench-hosts: bin/buildkitd ## a hundred dynos on three hosts, next to what their engines take for as many alone
	@PAAS_FAULTS=1 PAAS_BENCH=$(CURDIR)/bench/results/hosts.json go test -count=1 -v -timeout 20m -run '^TestHundredDynos$$' ./cmd/paas/faults

screenshots: bin/buildkitd ## take the dashboard's pictures anew, into docs/screenshots
	@scripts/deps.sh test
	@$(MAKE) bin/.assets
	@scripts/screenshots.sh

tools: bin/.tools
	@test -x bin/golangci-lint && test -x bin/composecheck || { rm -f $<; $(MAKE) $<; }
bin/.tools: tools/go.mod tools/go.sum tools/composecheck/main.go
	@echo "-----> Building the linters (the first time takes minutes)"
	@mkdir -p bin
	@begin=$$(date +%s); cd tools && $(GOBUILD) -o ../bin/ ./composecheck \
		github.com/golangci/golangci-lint/v2/cmd/golangci-lint golang.org/x/vuln/cmd/govulncheck \
		&& touch ../$@ && echo "       done in $$(($$(date +%s) - begin)) s"

lint: tools ## gofmt, vet, golangci-lint, shellcheck, compose file, govulncheck
	@scripts/deps.sh lint
	@scripts/lint.sh

fuzz: ## every fuzz target for FUZZTIME (10s)
	@scripts/fuzz.sh

bench-push: up ## from git push to the first answer, measured on the paas of make up
	@go run ./bench/push

bench-logs: ## log lines from app to reader: how many, how soon, next to rsyslog if there is one
	@go run ./bench/logs

bench-scheduler: ## 100,000 instances onto 5,000 hosts through a real Postgres, with simulated agents
	@go build -o bin/bench-scheduler ./bench/scheduler && bin/bench-scheduler

clean: ## remove what was built
	@rm -rf bin

clean-data: ## remove all data of a paas that is down
	@scripts/clean-data.sh
