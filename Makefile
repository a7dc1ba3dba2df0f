# The developer's commands. Each target sets up what it needs; `uv` is used when it is there.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
MANIFESTS := pyproject.toml requirements-dev.txt constraints.txt $(wildcard plugins/*/pyproject.toml)

ifeq ($(UV),)
INSTALL = $(BIN)/python -m pip install --quiet
else
INSTALL = $(UV) pip install --quiet --python $(BIN)/python
endif

.PHONY: help demo test soak lint bench constraints clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "stratkernel needs Python 3.11 or newer as '$(PYTHON)'; found: $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..." >&2; exit 1; }
ifeq ($(UV),)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
else
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
endif
	@touch $@

$(VENV)/.ready: $(VENV)/.python $(MANIFESTS)
	@echo "Setting up $(VENV) ..."
	@$(INSTALL) -c constraints.txt -r requirements-dev.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.ready
	@$(INSTALL) -c constraints.txt --group dev
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	@$(INSTALL) -c constraints.txt --group bench
	@touch $@

demo: $(VENV)/.ready ## three strategies over bundled daily candles
	@$(BIN)/stratkernel demo

test: $(VENV)/.dev ## the whole test-suite
	@$(BIN)/python -m pytest -n auto --dist loadgroup -m "not soak" $(ARGS)

soak: $(VENV)/.dev ## what takes too long for every day
	@$(BIN)/python -m pytest -n auto --dist loadgroup -m soak $(ARGS)

lint: $(VENV)/.dev ## format, lint, types, layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy core config database plugins/*/stratkernel_* examples/*/stratkernel_*
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports

bench: $(VENV)/.bench ## ratios against the named peers
	@$(BIN)/python -m tests.benchmarks $(ARGS)

constraints: ## resolve constraints.txt anew (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  $(addprefix --extra ,ui postgres fast dask ccxt) --group dev --group bench pyproject.toml -o constraints.txt

clean: ## remove what the targets made
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
