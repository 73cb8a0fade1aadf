# `make demo` shows what n2n does, `make test` checks that it does it. Both set up first; nothing else is needed
# than git, make and Python with its venv module.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format clean

VENV := .venv
READY := $(VENV)/ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## install everything into .venv; does nothing when that is up to date

$(READY): requirements.lock pyproject.toml
	@for python in python3 python3.11 python3.12 python3.13 none; do \
	    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break || true; \
	done; \
	if [ $$python = none ]; then \
	    echo "n2n needs Python 3.11 or newer; tried python3, python3.11, python3.12 and python3.13" >&2; exit 1; \
	fi; \
	$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || { echo "setup: making $(VENV) with $$($$python --version)"; $$python -m venv $(VENV); }
	@set -o pipefail; total=$$(grep -c '^[^#]*==' requirements.lock); \
	echo "setup: installing $$total packages into $(VENV); a few minutes the first time"; \
	python -m pip --disable-pip-version-check install --progress-bar off -r requirements.lock 2>&1 \
	    | tee $(VENV)/setup.log \
	    | awk '/^Collecting/ && ++n % 20 == 0 { print "setup: found", n; fflush() } \
	           /^ *Downloading .*\([0-9][0-9]+(\.[0-9]+)? [MG]B\)/ { print "setup: loading", $$2; fflush() } \
	           /^Installing collected/ { print "setup: unpacking"; fflush() }' \
	    || { tail -n 20 $(VENV)/setup.log >&2; exit 1; }
	@python -m pip --disable-pip-version-check install --quiet --quiet --no-deps --no-build-isolation -e .
	@touch $@; echo "setup: done, in $(VENV)"

demo: setup  ## simulate a night, denoise it, compare the result with the truth
	@n2n simulate demo/data/raw --preset demo
	@gpu=$$(nvidia-smi -L >/dev/null 2>&1 && echo 1 || echo 0); \
	snakemake --directory demo --cores all --resources gpu=$$gpu
	@n2n truth demo

# Two tests at a time, each with one thread: their images are small, and snakemake starts several jobs at a time.
test: lint  ## lint, then all tests; PYTEST_ARGS="-k stack" chooses
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} OPENBLAS_NUM_THREADS=$${OPENBLAS_NUM_THREADS:-1} MPLBACKEND=agg \
	python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder \
	    --durations=15 --durations-min=1 $(PYTEST_ARGS)

lint: setup  ## check style, layers and the workflow
	@ruff check
	@ruff format --check
	@snakefmt --check Snakefile workflow
	@lint-imports --no-logo
	@night=$$(mktemp -d); trap 'rm -rf "$$night"' EXIT; \
	n2n simulate "$$night/data/raw" --preset tiny >/dev/null; \
	snakemake --snakefile Snakefile --directory "$$night" --lint; \
	snakemake --snakefile Snakefile --directory "$$night" --lint --config study=quick

format: setup  ## bring all code into the common form
	@ruff check --fix
	@ruff format
	@snakefmt Snakefile workflow

clean:  ## remove the demo's results; its simulated frames stay
	rm -rf demo/results demo/models demo/.snakemake
