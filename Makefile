# Everything here sets up what it needs in .venv; nothing needs root.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_FLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup parts demo test check lint types contracts bench pictures lock clean

help: ## Say what can be done here
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## Install the locked packages into .venv

$(STAMP): requirements/dev.txt requirements/bootstrap.txt pyproject.toml
	@echo "setup: a virtual environment in $(VENV), packages from requirements/dev.txt (a minute on a new machine)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q orchestrator flows wards tests  # each process starts twice as fast
	@touch $@

parts: $(STAMP) ## Build the real parts: etcd, kube-apiserver, Prometheus, Alertmanager
	@$(BIN)/python -m tests.real.parts build

demo: $(STAMP) ## Watch three wards: one accepted, one broken and returned, one never touched
	@$(BIN)/wardshift demo $(DEMO_FLAGS)

test: $(STAMP) ## Run every test on real parts (the first time it builds the real Prometheus)
	@PYTHON=$(BIN)/python tests/run.sh $(TEST_FLAGS)

check: lint types contracts test ## Lint, types, import contracts and all tests

lint: $(STAMP) ## Ruff (rules and format) and spelling
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell

types: $(STAMP) ## Pyright, strict in the core
	@$(BIN)/pyright

contracts: $(STAMP) ## Who may import whom
	@$(BIN)/lint-imports

bench: $(STAMP) ## Measure: ways back, cost of a tick, ledger; tables, JSON under build/bench; 1 where a target is missed
	@PYTHON=$(BIN)/python $(BIN)/python -m tests.bench

pictures: $(STAMP) ## Try the board's script in Chromium, take the pictures of docs/pictures anew
	@$(BIN)/python -m tests.pictures

lock: $(STAMP) ## Resolve the packages anew into requirements/
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal pyproject.toml --group dev -o requirements/dev.txt
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal pyproject.toml -o requirements/run.txt
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --universal --group toolchain -o requirements/go.txt
	@awk '/^uv==/{p=1} p&&/^ *#/{exit} p' requirements/dev.txt > requirements/bootstrap.txt
	@awk '/^setuptools==/{p=1} p&&/^ *#/{exit} p' requirements/dev.txt > requirements/build.txt

clean: ## Remove what was built here
	@rm -rf build .pytest_cache .ruff_cache .hypothesis *.egg-info
