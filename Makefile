# `make repro` and `make test` do all the set-up; `make help` lists the rest.
# One thread per process: on a busy machine two spin against each other (stages that train set
# their own count from params.yaml). Nothing is looked up on the Hugging Face hub.

VENV ?= .venv
BIN := $(CURDIR)/$(VENV)/bin
PY := $(BIN)/python
DVC := $(BIN)/dvc
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check

export PATH := $(BIN):$(PATH)
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM := false
export HF_HUB_OFFLINE := 1
export DVC_NO_ANALYTICS := 1

# The first Python 3.11 to 3.13 that can make a virtual environment.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python; do \
    $$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
    2>/dev/null && { echo $$p; break; }; done)

.PHONY: help all plan install sandbox repro test lint bench selfcheck organism lock clean

help:
	@echo "make repro      install, run the pilot p1, print its table"
	@echo "make all        install, run every experiment, print all verdicts and what each stage took"
	@echo "make test       lint and all tests"
	@echo "make lint       ruff and basedpyright"
	@echo "make plan       what an experiment would run, take and cost: make plan EXPERIMENT=p1 MODEL=..."
	@echo "make bench      the benchmarks, each a ratio against a named peer"
	@echo "make selfcheck  HumanEval, MBPP and MATH: their reference solutions through our graders"
	@echo "make organism   rebuild the embedded model from scratch, then its experiment"
	@echo "make lock       resolve pyproject.toml again and rewrite the lock files"
	@echo "make clean      remove the virtual environment, the cells experiments share, the tools' caches"

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 with venv and ensurepip was found." \
	  "Install one (Debian and Ubuntu: apt install python3 python3-venv), or name it:" \
	  "make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; } >&2
	@echo "installing requirements.lock into $(VENV) with $(PYTHON) ..."
	$(PYTHON) -m venv --clear $(VENV)
	$(INSTALL) -r requirements.lock
	@touch $@

$(VENV)/.bench: requirements-bench.lock $(VENV)/.installed
	$(INSTALL) -r requirements-bench.lock
	@touch $@

$(VENV)/.real: requirements-real.lock $(VENV)/.installed
	$(INSTALL) -r requirements-real.lock
	@touch $@

sandbox:
	@sh tools/ensure_sandbox.sh

repro: install sandbox
	$(DVC) repro stats@p1
	$(DVC) repro --single-item report
	$(PY) -m stages.report p1

all: install sandbox
	$(PY) -m stages.report --timed

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright

test: lint
	$(PY) -m pytest

EXPERIMENT ?= p1
plan: install
	$(PY) -m stages.plan $(EXPERIMENT) $(if $(MODEL),--model $(MODEL)) $(if $(SUITE),--suite $(SUITE))

bench: install sandbox $(VENV)/.bench
	$(PY) -m benchmarks

selfcheck: install sandbox $(VENV)/.bench $(VENV)/.real
	$(PY) -m benchmarks.guard_selfcheck

organism: install sandbox
	rm -f models/base/made_from.json
	$(DVC) repro --force pretrain_base
	$(DVC) repro stats@organism

lock:
	sh tools/lock.sh "$(PYTHON)"

clean:
	rm -rf $(VENV) .cells .pytest_cache .ruff_cache .hypothesis
	find stages tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
