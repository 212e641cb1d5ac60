# Each target works in the active virtual environment, or makes .venv and works in that.
PYTHON ?= python3
VENV := $(if $(VIRTUAL_ENV),$(VIRTUAL_ENV),.venv)
PY := $(VENV)/bin/python
RUN ?= runs/quickstart

.PHONY: help quickstart test test-slow check format

help:
	@echo "make quickstart   environment, built-in dataset, then train, evaluate, report"
	@echo "make test         environment, all tests that need no accelerator and no network"
	@echo "make test-slow    the same, with the tests that take minutes"
	@echo "make check        environment, then format, lint, types, import rules, shell"
	@echo "make format       environment, then rewrite files as the formatter wants them"

quickstart: $(VENV)/.jaxdet
	$(PY) -m jaxdet.data synth --root=data/synth
	$(PY) -m jaxdet.main --config=configs/quickstart.py --workdir=$(RUN)

test: $(VENV)/.jaxdet-dev
	$(PY) -m pytest -n 2 -m "not slow"

test-slow: $(VENV)/.jaxdet-dev
	$(PY) -m pytest -n 2

check: $(VENV)/.jaxdet-dev
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/shellcheck -x launch/*.sh launch/*.sbatch launch/*.bash

format: $(VENV)/.jaxdet-dev
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

$(PY):
	$(PYTHON) -m venv $(VENV)

# Stamps: installed since pyproject.toml last changed.
$(VENV)/.jaxdet: pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.jaxdet-dev: pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@
