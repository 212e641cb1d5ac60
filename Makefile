# Each target works in the active virtual environment, or makes .venv and works in that.
PYTHON ?= python3
RUN ?= runs/quickstart
# Expanded by the shell, in quotes: make's own targets cannot have spaces in their paths.
VENV := $${VIRTUAL_ENV:-.venv}
PY := "$(VENV)/bin/python"

.PHONY: help environment environment-dev quickstart test test-slow test-next check format docs golden

help:
	@echo "make quickstart   environment, built-in dataset, then train, evaluate, report"
	@echo "make test         environment, all tests that need no accelerator and no network"
	@echo "make test-slow    the same, with the tests that take minutes"
	@echo "make test-next    networks, training and programs for described GPUs, on another Python:"
	@echo "                  PYTHON=python3.13 VIRTUAL_ENV=.venv-next make test-next"
	@echo "make check        environment, then format, lint, types, import rules, shell"
	@echo "make docs         environment, then the site of the documentation, docs/_build"
	@echo "make golden       environment, then rewrite the texts and pixels that tests compare with"
	@echo "make format       environment, then rewrite files as the formatter wants them"

quickstart: environment
	$(PY) -m jaxdet.data synth --root=data/synth
	$(PY) -m jaxdet.main --config=configs/quickstart.py --workdir="$(RUN)"

test: environment-dev
	$(PY) -m pytest -n 2 -m "not slow"

test-slow: environment-dev
	$(PY) -m pytest -n 2

# What differs between generations of JAX. Compiling for GPUs takes a plug-in, which complains in each
# process where there is none: it has an environment of its own.
test-next:
	$(call install,.jaxdet-next,.[dev$(COMMA)roofline])
	$(PY) -m pytest -n 2 -m "not slow" tests/models tests/train
	$(PY) -m pytest -n 2 tests/bench/test_roofline.py

check: environment-dev
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
	"$(VENV)/bin/shellcheck" -x launch/*.sh launch/*.sbatch launch/*.bash

docs:
	$(call install,.jaxdet-docs,.[docs])
	$(PY) -m sphinx --quiet --fail-on-warning --keep-going -b html docs docs/_build
	@echo "docs/_build/index.html"

golden: environment-dev
	for one in options configs tables launch recipes; do $(PY) -m tests.golden.$$one || exit; done

format: environment-dev
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

# A stamp in the environment says that it was installed since pyproject.toml last changed.
environment:
	$(call install,.jaxdet-train,.[train])

environment-dev:
	$(call install,.jaxdet-dev,.[dev])

COMMA := ,
install = @set -e; [ -x $(PY) ] || $(PYTHON) -m venv "$(VENV)"; \
  [ "$(VENV)/$(1)" -nt pyproject.toml ] || { \
  $(PY) -m pip install --quiet --disable-pip-version-check --editable "$(2)"; touch "$(VENV)/$(1)"; }
