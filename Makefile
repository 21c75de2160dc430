# safetmp: every task has one word here, and CI runs nothing else.

GO          ?= go
PREFIX      ?= /usr/local
BIN         ?= bin/safetmp
VOLUME      ?= bin/safetmp-volume
# where the managed plugin is made, and of which program; empty: one that is built for it
PLUGIN      ?= bin/plugin
PROGRAM     ?=
# where mount(8) looks for its helpers; empty: no helper
MOUNTDIR    ?= $(if $(DESTDIR)$(filter 0,$(shell id -u)),/sbin)
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS     := -s -w -X main.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME    ?= 30s
CMD         ?=
# as it was typed, for the shell alone: $ and quotes included
override CMD := $(value CMD)
export CMD
BENCH       ?= full
BASE        ?=
MEMFS_LL    ?=

.PHONY: help build plugin run test setup check fmt man fuzz soak bench install uninstall clean

help: ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

build: ## build bin/safetmp and bin/safetmp-volume
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/safetmp ./cmd/safetmp-volume

plugin: ## build bin/plugin: the root of a container image and a managed plugin of Docker
	rm -rf $(PLUGIN)
	mkdir -p $(addprefix $(PLUGIN)/rootfs/,run/docker/plugins mnt/safetmp tmp)
	$(if $(PROGRAM),cp $(PROGRAM) $(PLUGIN)/rootfs/safetmp-volume,CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(PLUGIN)/rootfs/ ./cmd/safetmp-volume)
	cp deploy/docker-plugin/config.json $(PLUGIN)/config.json

run: build ## show the main job on a real program; CMD='...' runs yours
	@if [ -z "$$CMD" ]; then exec sh integration/demo.sh $(BIN); fi; \
	exec env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKE_TERMOUT -u MAKE_TERMERR -u CMD $(BIN) run --report -- sh -c "$$CMD"

setup: ## install what the tests need (root), or say what is missing
	sh integration/setup.sh

# What is run again over io_uring, which has buffers, threads and an end of its own.
BYRING := TestSemantics|TestWipeOn(Delete|Exit)|TestWipeAfterForce|TestWipeAtEndOfRun|TestHardening|TestKilledWhile|TestSignals|TestLazy

# What is run again with contents where another I/O mode has them.
BYMODE := -run 'TestSemantics|TestNames|TestAttack|TestRace|TestLinks' -skip 'TestAttackDaemon|TestAttackRun'

# What runs under -race in every test; the rest of cmd and internal runs without.
RACED  := bench config control daemon fuseconn mount sessions uring
UNRACED = $(filter-out $(RACED:%=safetmp/internal/%),$(shell $(GO) list ./cmd/... ./internal/...))

# -race: the packages, and real mounts where several use one. The programs, the
# memory limits and the processes of run go without it, since it multiplies both.
# -p 3: most of these wait for processes rather than compute.
# -rapid.seed: a change is judged by what it changes; soak draws new sequences.
# a deadline: a hang prints its stacks instead of holding up CI; -count=1: mounts
# are no pure function of the code.
test: setup ## run everything
	$(GO) test -race -p 3 -count=1 -timeout 5m ./fs/... ./memstore/... ./policy/... $(RACED:%=./internal/%)
	$(GO) test -p 3 -count=1 -timeout 6m $(UNRACED)
	$(GO) test -tags safetmp_lockcheck -count=1 -timeout 3m ./fs/...
	$(GO) test -count=1 -timeout 8m ./integration
	$(GO) test -count=1 -timeout 8m ./integration/suites -rapid.seed=2026
	$(GO) test -count=1 -p 1 -timeout 6m ./integration/bench ./integration/volumes
	$(GO) test -race -count=1 -timeout 5m -run 'Attack|Race|Names' ./integration
	sh integration/rings.sh $(GO) test -count=1 -timeout 5m -run '$(BYRING)' ./integration
	sh integration/rings.sh $(GO) test -count=1 -timeout 3m -run Posix ./integration/suites
	$(GO) test -race -count=1 -timeout 3m -run 'Concurrency|Kernel|Posix' ./integration/suites

# The kernel's FUSE and the Go scheduler meet differently on one processor;
# runtimesecret: the runtime overwrites what expanding a key leaves.
soak: setup ## the long version: one processor, every configuration, lock order over real mounts, fuzzing
	SOAK=1 GOMAXPROCS=1 $(GO) test -count=1 -timeout 60m $$($(GO) list ./... | grep -v /integration/suites)
	SOAK=1 SAFETMP_TEST_OPTIONS=transport=dev $(GO) test -count=1 -timeout 3h ./integration/suites
	for mode in io=passthrough encrypt=on; do \
	  SAFETMP_TEST_OPTIONS=$$mode,transport=dev $(GO) test -count=1 -timeout 30m $(BYMODE) ./integration && \
	  SAFETMP_TEST_OPTIONS=$$mode sh integration/rings.sh $(GO) test -count=1 -timeout 30m $(BYMODE) ./integration || exit 1; done
	$(GO) test -tags safetmp_lockcheck -count=1 -timeout 30m ./fs/... ./integration/...
	sh integration/rings.sh $(GO) test -p 1 -count=1 -timeout 60m $$($(GO) list ./integration/... | grep -v /integration/suites)
	SOAK=1 sh integration/rings.sh $(GO) test -count=1 -timeout 3h ./integration/suites
	sh integration/rings.sh $(GO) test -race -count=1 -timeout 60m ./integration
	GOEXPERIMENT=runtimesecret $(GO) test -count=1 -timeout 10m ./memstore
	$(MAKE) fuzz

check: ## formatting, vet, staticcheck, house rules, known vulnerabilities
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	$(GO) mod verify
	$(GO) vet ./...
	$(GO) vet -tags safetmp_testhooks,safetmp_lockcheck ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) test -count=1 ./internal/house
	@sh integration/vulncheck.sh '$(GO)' '$(GOVULNCHECK)'

fmt: ## format the code
	gofmt -w .

fuzz: ## run every fuzz target for FUZZTIME
	@for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
	  for target in $$(grep -h -o '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -d' ' -f2); do \
	    echo "== $$dir $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$dir || exit 1; \
	  done; done

bench: build setup ## measure beside tmpfs and others (root), BENCH=quick|full|huge; BASE=commit compares two builds
	@GO='$(GO)' BENCH='$(BENCH)' BASE='$(BASE)' MEMFS_LL='$(MEMFS_LL)' sh integration/bench.sh

man: ## write docs/man anew from the help texts
	$(GO) test ./cmd/safetmp -run '^TestManPages$$' -count=1 -update

# what install makes, below PREFIX
COMPLETIONS := share/bash-completion/completions/safetmp share/zsh/site-functions/_safetmp share/fish/vendor_completions.d/safetmp.fish
UNITS       := $(addprefix lib/systemd/system/,safetmp@.service safetmp-docker.service safetmp-docker.socket) lib/systemd/user/safetmp.service
PAGES       := $(foreach page,$(notdir $(wildcard docs/man/*)),share/man/man$(subst .,,$(suffix $(page)))/$(page))
INTO         = $(DESTDIR)$(PREFIX)

install: build ## install into PREFIX: programs, man pages, completion, units; as root the helper of mount(8)
	install -D -m 755 $(BIN) $(INTO)/bin/safetmp
	install -D -m 755 $(VOLUME) $(INTO)/bin/safetmp-volume
	for page in $(PAGES); do install -D -m 644 docs/man/$${page##*/} $(INTO)/$$page || exit 1; done
	for file in $(COMPLETIONS); do install -d $(INTO)/$${file%/*} || exit 1; done
	$(BIN) completion bash >$(INTO)/$(word 1,$(COMPLETIONS))
	$(BIN) completion zsh >$(INTO)/$(word 2,$(COMPLETIONS))
	$(BIN) completion fish >$(INTO)/$(word 3,$(COMPLETIONS))
	for unit in $(UNITS); do install -d $(INTO)/$${unit%/*} && \
	  sed 's|@bindir@|$(PREFIX)/bin|' init/$${unit#lib/systemd/} >$(INTO)/$$unit || exit 1; done
	[ -z "$(MOUNTDIR)" ] || { install -d $(DESTDIR)$(MOUNTDIR) && ln -sf $(PREFIX)/bin/safetmp $(DESTDIR)$(MOUNTDIR)/mount.safetmp; }

uninstall: ## remove what install made
	rm -f $(addprefix $(INTO)/,bin/safetmp bin/safetmp-volume $(PAGES) $(COMPLETIONS) $(UNITS)) $(if $(MOUNTDIR),$(DESTDIR)$(MOUNTDIR)/mount.safetmp)

clean: ## remove what was built
	rm -rf bin
