# `make help` lists the targets. Each is safe to repeat: what is up to date is not built again.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH):$(HOME)/.cargo/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
export DESTDIR PREFIX PYTHON PURGE
BPF_SOURCES := $(wildcard bpf/*.[ch] bpf/*/*.[ch])
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 1800
SOAK_AWAY_SECONDS ?= 600

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  Options:     make run ARGS='-c FILE', make test PYTEST='-k name', make fuzz FUZZ_SECONDS=60"

.PHONY: setup
setup:
	@scripts/setup.sh run

.PHONY: setup-test
setup-test:
	@scripts/setup.sh test

.PHONY: setup-vm
setup-vm:
	@scripts/setup.sh vm

.PHONY: compile
compile:
	@scripts/build-engine.sh
	@scripts/build-web.sh

.PHONY: build
build: setup ## .venv/bin/rover, ready to run
	@$(MAKE) compile

.PHONY: run
run: build ## daemon, backend and web page in one (rover up)
	@$(SUDO) $(BIN)/rover up $(ARGS)

.PHONY: demo
demo: build ## a small shop of local services, a minute of traffic, and the page that shows it (rover demo)
	@$(SUDO) $(BIN)/rover demo $(ARGS)

# One profile, and all crates at once: another choice of crates is another choice of features, and all is built again.
# What needs root loads programs into the kernel and is told by the second: one after the other, while nothing else runs.
# 5: PYTEST chose none of these.
.PHONY: test
test: setup-test ## the tests of this machine, twelve to fifteen minutes from nothing
	@$(MAKE) compile
	cargo test --release --quiet --workspace
	cd web && npm run --silent test
	$(BIN)/pytest --durations=10 -n 2 -m 'not root and not vm and not slow and not kube and not oap' $(PYTEST) || [ $$? = 5 ]
	$(BIN)/pytest --durations=20 -m 'root and not vm and not slow and not kube and not oap' $(PYTEST) || [ $$? = 5 ]

.PHONY: slow
slow: setup-test ## the tests marked `slow`: hook by hook, other libraries and languages, a hundred thousand records
	@$(MAKE) compile
	$(BIN)/pytest -m 'slow and not vm and not kube and not oap' $(PYTEST)

.PHONY: soak
soak: setup-test ## a daemon through all that a node does (SOAK_SECONDS, 1800), then a backend that is away (SOAK_AWAY_SECONDS, 600)
	@$(MAKE) compile
	SOAK_SECONDS=$(SOAK_SECONDS) SOAK_AWAY_SECONDS=$(SOAK_AWAY_SECONDS) $(BIN)/pytest -s tests/soak $(PYTEST)

.PHONY: check
check: setup-test ## formatting, linters and types, warnings are errors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
	clang-format --dry-run -Werror $(BPF_SOURCES)
	scripts/build-web.sh
	cd web && npm run --silent check

.PHONY: format
format: setup-test ## rewrite the sources as `make check` wants them
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	cargo fmt --all
	clang-format -i $(BPF_SOURCES)

.PHONY: bench
bench: setup-test ## cost and completeness on this machine: a table, and JSON in bench-results/
	@$(MAKE) compile
	@cargo build --quiet --release -p rover-sites --example entries
	$(SUDO) $(BIN)/python -m bench $(ARGS)

.PHONY: bench-vm
bench-vm: setup-vm ## the same cost in instructions, in a virtual machine: the figures to quote
	@$(MAKE) compile
	@cargo build --quiet --release -p rover-sites --example entries
	$(BIN)/python -m bench.vm $(ARGS)

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZ_SECONDS
	@scripts/fuzz.sh $(FUZZ_SECONDS)

.PHONY: vm
vm: setup-vm ## other kernels, booted in a virtual machine: all of them, or KERNEL=5.10, 6.1, 6.12, sid
	@$(MAKE) compile
	VM_KERNEL=$(KERNEL) $(BIN)/pytest -m vm $(PYTEST)

.PHONY: kube
kube: setup-test ## real containers, API server and kubelet: builds them once (ten minutes), then tests/kube and the image
	@scripts/setup.sh kube
	@tests/kube/apiserver/build.sh --node
	@$(MAKE) compile
	$(BIN)/pytest -m 'kube and not vm' $(PYTEST)

.PHONY: oap
oap: setup-test ## what a real SkyWalking OAP makes of rover's reports: fetches it once (120 MB), then tests/oap
	@scripts/setup.sh oap
	@$(MAKE) compile
	$(BIN)/pytest -m oap $(PYTEST)

.PHONY: wheel
wheel: setup ## dist/rover-….whl: runs without a compiler
	@scripts/build-wheel.sh

.PHONY: install
install: ## rover, its unit and configuration into DESTDIR, below PREFIX (/usr)
	@ls dist/rover-*.whl >/dev/null 2>&1 || $(MAKE) wheel
	@scripts/install.sh install

.PHONY: uninstall
uninstall: ## take that away again; PURGE=1: configuration and data too
	@scripts/install.sh uninstall

.PHONY: lock
lock: setup-test ## write requirements*.lock anew from pyproject.toml
	scripts/lock.sh

.PHONY: docs
docs: setup ## write what is generated: docs/configuration.md and config/rover.yaml
	$(BIN)/rover config reference > docs/configuration.md
	$(BIN)/rover config reference --format yaml > config/rover.yaml

.PHONY: clean
clean: ## remove everything that was built or installed here
	rm -rf .venv target dist web/node_modules rover/web/static rover/_engine*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
