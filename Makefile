# SPDX-License-Identifier: GPL-3.0-or-later
# make demo       a World from the bundled model in real Blender, rendered
# make test       every test that this machine can run
# make quick      the fast tests of the door and the engine, no Blender: under 90 s on two cores
# make results    docs/results.md from the figures that benchmarks recorded, and the code's shape
# make extension  the zips of all platforms and their repository index, into dist/
# Each target sets up what it needs. Assumed: python3.11 and make.

PYTHON ?= python3.11
BPY_VERSION ?= 5.0.1
TEST_PROCESSES ?= 2
WINDOW_TESTS ?= tests/ui
VENV := .venv
BPY := .build/bpy-$(BPY_VERSION)
REQUIREMENTS := sync_engine/requirements/torch.txt sync_engine/requirements/engine.txt requirements-dev.txt \
    $(addprefix sync_engine/requirements/,evaluation.txt gguf.txt ray.txt storage.txt)
SOURCES := $(shell git ls-files -- '*.py' '*.toml' 'sync_engine/*' 2>/dev/null)

.PHONY: setup bpy wheels locks extension zip demo test quick lint results faults clean

setup: $(VENV)/.done
bpy: $(BPY)/.done

$(VENV)/.done: $(REQUIREMENTS)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q -r sync_engine/requirements/torch.txt
	$(VENV)/bin/python -m pip install -q -c sync_engine/requirements/torch.txt \
	    $(addprefix -r ,$(filter-out %/torch.txt,$(REQUIREMENTS)))
	touch $@

# Blender 5.1 and later have Python 3.13; PYTHON313 names one where none is on the PATH.
PYTHON313 ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.13*/bin/python3.13) python3.13)
.build/bpy-5.2%/.done: PYTHON = $(PYTHON313)
.build/bpy-4.5%/.done: BESIDE = numba pillow # the generator of the training set runs there
.build/bpy-%/.done:
	$(PYTHON) -m venv .build/bpy-$*
	.build/bpy-$*/bin/python -m pip install -q bpy==$* $(BESIDE)
	touch $@

wheels: setup
	$(VENV)/bin/python -m tools.wheels

# The lock files that set-up installs from: PyPI and PyTorch's indexes must be reachable. Where torch's
# build for the processor lies in a folder: tools.locks --find-links FOLDER linux-x64-cpu
locks: setup
	$(VENV)/bin/python -m tools.locks

# Every wheel of the engine's environment for Linux without a GPU, for the test of set-up without a
# network. torch's build for the processor must be where pip looks (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL).
ENGINE_LOCK := sync_engine/requirements/linux-x64-cpu.txt
.build/engine-wheels/.done: $(VENV)/.done $(ENGINE_LOCK)
	$(VENV)/bin/python -m pip download -q --no-deps --require-hashes --only-binary :all: \
	    -r $(ENGINE_LOCK) -d $(@D)
	touch $@

extension: bpy wheels
	$(VENV)/bin/python -m tools.build_extension --python $(BPY)/bin/python --all
	$(VENV)/bin/python -m tools.check_extension dist/syncscape-*.zip

zip: bpy setup # of this platform only
	$(VENV)/bin/python -m tools.build_extension --python $(BPY)/bin/python

demo: setup zip
	mkdir -p out
	$(BPY)/bin/python demo/run_demo.py --zip "$$(ls dist/syncscape-*.zip)" \
	    --engine-python $(CURDIR)/$(VENV)/bin/python --out out

test: setup zip # the windows last and alone: their tests measure times
	$(VENV)/bin/python -m pytest -n $(TEST_PROCESSES) --dist worksteal --ignore tests/ui
	$(VENV)/bin/python -m pytest $(WINDOW_TESTS)

quick: setup
	$(VENV)/bin/python -m pytest -n $(TEST_PROCESSES) --dist worksteal -m "not slow and not gpu" tests/unit tests/engine

faults: setup # many seeds of every fault, into benchmarks/results/faults.json
	$(VENV)/bin/python -m tests.faults.whole

results: setup
	$(VENV)/bin/python -m tools.structure --record be3dd72
	$(VENV)/bin/python -m benchmarks.results

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright

clean:
	rm -rf .build dist out .pytest_cache .ruff_cache
