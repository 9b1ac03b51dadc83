# Two commands need nothing but Python 3.11 or later, make and a package registry: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2
# Tests of exports, run once more with every export cut into tasks.
IN_TASKS := tests/contract tests/spec tests/generative tests/attack -m "not long and not live and not in_one_process"

.PHONY: demo test test-all lint bench samples extras spark clean

demo: $(STAMP)
	rm -rf demo
	$(BIN)/deid demo --folder demo

test: $(STAMP)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile -m "not long and not live"

test-all: $(STAMP)
	DEID_EXPLORE=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile
	DEID_BY_TASKS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile $(IN_TASKS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python benchmarks/structured.py

samples: $(STAMP)
	$(BIN)/python -m deid.synthetic --seed 7 --out samples

# The extras that take much room: torch and what loads other people's models. `make test-all` then runs their tests.
extras: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,train,hub]'

# The engine on Spark: 500 MB, and its tests need a Java runtime as well.
spark: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,spark]'

clean:
	rm -rf $(VENV) demo build *.egg-info

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "deid needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)
