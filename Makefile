# `make study` and `make test` do all their own set-up: Python 3.11 or newer, make and a C compiler are enough.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
LOCKED := requirements.lock
BIN := $(VENV)/bin
READY := $(VENV)/ready
READY_DEV := $(VENV)/ready-dev
READY_JAX := $(VENV)/ready-jax
READY_BENCH := $(VENV)/ready-bench
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
LIST := uv pip compile --upgrade --python-version 3.11 --no-header --no-annotate --no-emit-index-url
LOCK := $(LIST) --universal --generate-hashes

# Half of what the tests wait for is the start of Ray and TensorFlow. A module's tests share what they start.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder

# Where bytecode is not kept, importing TensorFlow takes 8 to 16 s in every process instead of 4 to 6.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: study bench test test-jax test-oldest test-faults test-cluster test-statistics check lock clean help
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*##  */\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-16s %s\n", $$1, $$2}'

study: $(READY)  ## a first study on the embedded faces, about 2 minutes on two cores
	$(BIN)/python -m study.run --space se_placement --data synthetic --budget quick

test: $(READY_DEV) check  ## style, types and every test
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

bench: $(READY_DEV) $(READY_BENCH)  ## every benchmark beside its rivals, some hours; `make bench NAMES="trial study"` for some
	$(BIN)/python -m benchmarks $(NAMES)

test-jax: $(READY_DEV) $(READY_JAX)  ## the tests of network and training on JAX instead of TensorFlow
	KERAS_BACKEND=jax $(BIN)/python -m pytest tests/test_model.py tests/test_passes.py tests/test_training.py tests/test_targets.py tests/test_predict.py tests/test_own_network.py tests/test_other_study.py tests/test_features.py tests/test_numbers.py

test-oldest:  ## every test with the oldest releases that pyproject.toml admits (Python 3.11)
	$(MAKE) VENV=.venv-oldest LOCKED=requirements-oldest.lock .venv-oldest/ready
	.venv-oldest/bin/python -m pytest $(SIDE_BY_SIDE)

test-faults: $(READY_DEV)  ## the longer tests of faults: lost nodes and heads, hung trials, a driver killed 20 times, object stores, random walks
	$(BIN)/python -m pytest -m faults tests/test_faults.py tests/test_object_store.py tests/test_gpus.py
	FER_STUDY_WALKS=300 $(BIN)/python -m pytest tests/test_walks.py

test-cluster: $(READY_DEV)  ## a study over three hosts (network namespaces), one cut off in the middle; needs root and iproute2
	$(BIN)/python -m pytest -rs -s -m cluster tests/test_cluster.py

test-statistics: $(READY_DEV)  ## the simulations of intervals and error rates with 10,000 studies each, some minutes
	FER_STUDY_SIMULATIONS=10000 $(BIN)/python -m pytest -s tests/test_coverage.py

check: $(READY_DEV)  ## style and types alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

lock:  ## pin every package anew, with hashes (needs uv)
	$(LOCK) pyproject.toml --output-file requirements.lock
	$(LOCK) --constraint requirements.lock --group dev --output-file requirements-dev.lock
	echo 'jax>=0.6' | $(LOCK) --constraint requirements.lock - --output-file requirements-jax.lock
	printf 'keras-tuner\ntensorboard\n' | $(LOCK) --constraint requirements.lock - --output-file requirements-bench.lock
	$(LIST) --resolution lowest-direct --no-deps pyproject.toml --output-file oldest.txt
	$(LIST) --generate-hashes --constraint oldest.txt --group dev pyproject.toml --output-file requirements-oldest.lock
	rm oldest.txt

clean:  ## remove the environments
	rm -rf $(VENV) .venv-oldest

# Compiling every module of every package takes as long as installing them; a first import compiles what it needs.
$(READY): $(LOCKED) pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --requirement $(LOCKED)
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

$(READY)-%: $(READY) requirements-%.lock
	$(PIP) --require-hashes --requirement requirements-$*.lock
	touch $@
