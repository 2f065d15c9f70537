# Needs Python 3.10 or newer and make. Everything else goes into .venv, once, and again when pyproject.toml changes.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= 2

# The tests start hundreds of processes, and each would compile the package and the tests anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test test-all lint types bench docs format clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

install: $(READY) ## make .venv with wbmodel and its development tools

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python 3.10 or newer was found; set PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) could not make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --default-pip >/dev/null
	@echo "installing wbmodel and its development tools into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(READY) ## ask real questions of the runs in the demo world
	@$(BIN)/python -m wbmodel.demo

test: $(READY) ## the tests, without the slow ones, in JOBS processes
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

test-all: $(READY) ## the tests, with the slow ones, in JOBS processes
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not online"

lint: $(READY) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY) ## let ruff format and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY) ## mypy --strict and pyright
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(READY) ## benchmarks, each beside its floor
	$(BIN)/python -m pytest tests/benchmarks -m "not online" --benchmark-enable --benchmark-columns=median,iqr,rounds -s

docs: $(READY) ## make the reference pages from the code, check links and examples
	$(BIN)/python -m tools.make_docs
	$(BIN)/python -m pytest tests/docs

clean: ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks dist
