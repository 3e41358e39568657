# Needs Python 3.11 or newer, git and make; everything else goes into .venv. Another Python: make PYTHON=python3.12 demo

PYTHON ?= python3
CORPUS ?=
RANDOM ?= 0
PROVE ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test quick lint format pictures bench prove dist program clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1  /p' $(MAKEFILE_LIST) | awk '{ printf "  make %-8s", $$1; $$1 = ""; print }'

demo: $(VENV)/.installed ## set up, and report on a small built-in image
	@$(BIN)/layerscope demo --text
	@echo
	@echo 'The same on the screen: $(BIN)/layerscope demo'

test: lint ## set up, and pass every check: ruff, mypy, import-linter, pytest
	$(BIN)/pytest -n 2

quick: lint ## every fast check, in about a minute: lint, and tests without engines, terminals, screens and what is slow
	HYPOTHESIS_PROFILE=few LAYERSCOPE_ENGINES=none $(BIN)/pytest -q -n auto -m 'not engine and not terminal and not screen and not slow'

lint: $(VENV)/.installed-dev ## every check but the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## mend the form of the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

pictures: $(VENV)/.installed-dev ## record the README's moving picture and the still ones of docs/ from the screen
	PYTHONPATH=tests $(BIN)/python tests/tour.py

bench: $(VENV)/.installed-dev ## measure side by side with dive (CORPUS=DIR: see tests/bench.py)
	$(BIN)/python tests/bench.py $(CORPUS)
	$(BIN)/python tests/bench_screen.py $(CORPUS)
	$(BIN)/python tests/bench_registry.py $(CORPUS)
	$(BIN)/python tests/bench_fleet.py

prove: $(VENV)/.installed-dev ## prove that fixes keep their word, with each builder (RANDOM=200: random Dockerfiles, too; PROVE=--help)
	PYTHONPATH=tests $(BIN)/python -m prove --random $(RANDOM) $(PROVE)

dist: $(VENV)/.installed-dev ## build the wheel, the sdist and a single-file program for this Python into dist/
	.ci/dist $(BIN)/python dist

program: $(VENV)/.installed-dev ## build a single-file program for Linux without Python, and a Debian package, into build/program/
	.ci/program/build $(BIN)/python build/program

clean: ## remove the virtual environment and every cache
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find tui tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing layerscope into $(VENV) ..."
	@$(PIP) install --editable .
	@touch $@

# The development install is also a plain one.
$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	@echo "Installing layerscope and its checks into $(VENV) ..."
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/.installed $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here: name a Python 3.11 or newer, as in: make PYTHON=python3.12 demo" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "layerscope needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1): name another, as in: make PYTHON=python3.12 demo" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
