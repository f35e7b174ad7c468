# `make install` installs tina-kit in .venv, and `make quickstart` runs a small recipe end to end;
# `make test-fast`, `make test`, `make lint` and `make lowest` check a change.
PYTHON ?= python3
WORKERS ?= 2
# Else each process of the tests compiles every module anew.
export PYTHONDONTWRITEBYTECODE :=
BIN := .venv/bin

# The stamps carry pyproject.toml's checksum: an unchanged one is never installed again, whatever
# the dates of a fresh checkout say.
SUM := $(shell cksum < pyproject.toml | cut -d' ' -f1)
PLAIN := .venv/.installed-$(SUM)
DEV := .venv/.installed-dev-$(SUM)

.PHONY: install quickstart test test-fast lint lowest
.DELETE_ON_ERROR:

install: $(PLAIN)

quickstart: $(PLAIN)
	$(BIN)/tina-kit run recipes/quickstart.yaml

test: $(DEV)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-fast: $(DEV)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lowest: $(DEV)
	$(BIN)/python -m tests.lowest_versions

$(BIN)/python:
	$(PYTHON) -m venv .venv

$(PLAIN): | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[text,serve]'
	touch $@

$(DEV): | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(PLAIN)
