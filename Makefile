# Needs Python 3.11 or newer and make; everything else is installed into .venv. `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help demo test test-fast test-long test-lowest test-wheel lint docs gpu-check audit fuzz install clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /make \1\t/p' Makefile | expand -t 18

demo: install  ## run a whole experiment on real data, into demo/
	bash examples/01-quickstart.sh demo

test: install lint  ## lint, then all tests but the long ones
	$(BIN)/python -m pytest -n 2

test-fast: install  ## the tests that take no second
	$(BIN)/python -m pytest -n 2 -m 'not slow and not long' --durations=5 --durations-min=1

test-long: install  ## tests that take minutes: whole pipelines, the commands of the pages
	$(BIN)/python -m pytest -n 2 -m long -vv --durations=20

# In an environment of their own, of the oldest versions that pyproject.toml allows.
test-lowest: .venv-lowest/installed  ## the tests with the oldest versions that are allowed
	.venv-lowest/bin/python -m pytest -n 2

.venv-lowest/installed: pyproject.toml
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(CURDIR)/.venv-lowest .venv-lowest/bin/uv pip install --quiet --resolution lowest-direct --editable '.[dev]'
	touch $@

test-wheel:  ## build the wheel, and run the demo from it in an empty environment
	.ci/wheel $(PYTHON)

lint: install  ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# `make gpu-check DEVICE=cpu` is a dry run without a GPU.
DEVICE ?= cuda
gpu-check: install  ## what only a GPU can show, in ten minutes
	$(BIN)/python examples/gpu_check.py --device $(DEVICE)

audit: install  ## ask the advisory databases about the installed dependencies
	.ci/audit $(BIN)/python

# Coverage-guided, in an environment of its own. `make fuzz TARGET=records RUNS=1000`; findings are files called crash-*.
TARGET ?= checkpoint
RUNS ?= 1000000
fuzz: install .venv-fuzz/installed  ## mutate files for the readers, until something breaks or RUNS are done
	PYTHONPATH=$(CURDIR):$(CURDIR)/tests .venv-fuzz/bin/python tests/fuzz.py $(TARGET) -runs=$(RUNS)
	PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(BIN)/python tests/fuzz.py --coverage

.venv-fuzz/installed: .venv/installed
	$(PYTHON) -m venv --clear .venv-fuzz
	$(BIN)/python -c 'import site; print(site.getsitepackages()[0])' > `.venv-fuzz/bin/python -c 'import site; print(site.getsitepackages()[0])'`/main.pth
	.venv-fuzz/bin/python -m pip install --quiet --disable-pip-version-check atheris
	touch $@

docs: install  ## write the pages of docs/ that come from the code
	$(BIN)/python docs/generate.py

install: .venv/installed  ## install apcli and its tools into .venv

.venv/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "apcli needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:  ## remove the environments and the demo
	rm -rf .venv .venv-lowest .venv-fuzz .fuzz demo
