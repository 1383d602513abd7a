# `make demo` and `make test` need Python 3.11 or newer and make; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test test-long test-lowest lint readme gpu-check install clean

demo: install
	bash examples/quickstart.sh demo

test: install lint
	$(BIN)/python -m pytest -n 2

test-long: install
	$(BIN)/python -m pytest -n 2 -m long

# The same tests with the oldest versions that pyproject.toml allows of what it names, in an environment of their own.
test-lowest: .venv-lowest/installed
	.venv-lowest/bin/python -m pytest -n 2

.venv-lowest/installed: pyproject.toml
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(CURDIR)/.venv-lowest .venv-lowest/bin/uv pip install --quiet --resolution lowest-direct --editable '.[dev]'
	touch $@

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# What only a GPU can show; `make gpu-check DEVICE=cpu` is a dry run without one.
DEVICE ?= cuda
gpu-check: install
	$(BIN)/python examples/gpu_check.py --device $(DEVICE)

readme: install
	$(BIN)/python tests/test_readme_tables.py

install: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "apcli needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .venv-lowest demo
