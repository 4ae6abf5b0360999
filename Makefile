# `make demo` and `make test` need Python 3.11, pip and a package registry; the rest is installed here.
# Why uv does the installing: docs/environment.md.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-long lint types bench clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.8
BIN := .venv/bin
READY := .venv/.ready

# pip reads find-links from its configuration, uv only from this variable: pass them on (pip separates
# them by spaces, uv by commas), so that a wheel found there, say a CPU build of torch, is used.
ifeq ($(origin UV_FIND_LINKS),undefined)
comma := ,
pip_config = $(PYTHON) -m pip config list | sed -nE "s/^(global|install)\.find-links='(.*)'$$/\2/p" | sed 's/\\n/ /g'
pip_find_links = $(or $(PIP_FIND_LINKS),$(shell $(pip_config)))
$(READY): export UV_FIND_LINKS = $(subst $() ,$(comma),$(strip $(pip_find_links)))
endif

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(READY) ## make .venv with everything that `demo` and `test` need

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Duologue needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode -e '.[dev]' -c constraints.txt
	@touch $@

demo: $(READY) ## build shards from rendered clips (DEMO_INPUT=folder: from your own) in demo-output/
	$(BIN)/duologue demo --out demo-output $(if $(DEMO_INPUT),--input "$(DEMO_INPUT)")

# Two cores, two processes: each test file runs in one of them, so that what a file builds is built once.
TEST_PROCESSES ?= 2

test: $(READY) ## lint, types and all tests but the slow ones; every part runs, any may fail it
	@status=0; \
	$(MAKE) --no-print-directory lint || status=1; \
	$(MAKE) --no-print-directory types || status=1; \
	$(BIN)/pytest -m 'not slow and not alone' -n $(TEST_PROCESSES) --dist loadfile || status=1; \
	$(BIN)/pytest -m 'alone and not slow' tests/formats tests/browser || status=1; \
	exit $$status

test-long: $(READY) ## the tests that take minutes
	$(BIN)/pytest -m slow

lint: $(READY) ## ruff: rules and format
	@status=0; \
	$(BIN)/ruff check . || status=1; \
	$(BIN)/ruff format --check . || status=1; \
	exit $$status

types: $(READY) ## mypy, strict
	$(BIN)/mypy

BENCH_CLIPS ?= $(wildcard $(DUOLOGUE_TEST_MEDIA)/video/grid_*.mpg)

bench: $(READY) ## measure the speed of a build (BENCH_CLIPS=files, or those in DUOLOGUE_TEST_MEDIA)
	$(BIN)/python benchmarks/build.py $(BENCH_CLIPS)

clean: ## remove .venv, caches and demo-output/
	rm -rf .venv demo-output build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
