# `make help` lists the targets. Everything runs from .venv, which `make setup` builds from requirements.lock;
# every target that needs it calls setup first, so a fresh clone needs no step before `make demo` or `make test`.

UV_VERSION := 0.13.9
# The stamp carries the place: scripts in a virtual environment hold absolute paths, so a moved folder is set up again.
STAMP := .venv/.setup-$(shell pwd | cksum | cut -d' ' -f1)
BIN := .venv/bin
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1 RAYON_NUM_THREADS=1
NOTEBOOKS = find notebooks -name '*.ipynb' -not -path '*/.ipynb_checkpoints/*' -print0
PYTEST := env $(THREADS) $(BIN)/python -m pytest
WORKERS ?= 2  # processes of `make test`; a file's tests stay in one

.DEFAULT_GOAL := help
.PHONY: help setup demo lab test test-slow check lint types layers contracts format bench pictures lock hooks clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## make .venv (Python 3.12) from requirements.lock; quick when nothing changed

$(STAMP): requirements.lock pyproject.toml tools/setup.sh
	@sh tools/setup.sh $(UV_VERSION) $(STAMP)

demo: setup ## generate the demo world and run the suite on it
	@$(BIN)/cxlab demo

lab: setup ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks/

test: setup ## run the tests (not the slow ones)
	@$(PYTEST) -n $(WORKERS) --dist loadfile

test-slow: setup ## run the long statistical tests: recovery, calibration, coverage
	@$(PYTEST) -m slow --timeout 3600

check: lint types layers contracts ## lint, types, layers, notebooks and the other contracts

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@if [ -d notebooks ]; then $(NOTEBOOKS) | xargs -0 $(BIN)/nbstripout --keep-id --verify; fi

types: setup
	@$(BIN)/mypy

layers: setup
	@$(BIN)/lint-imports

contracts: setup
	@$(PYTEST) -q --durations=0 --durations-min=5 -m "not slow and not browser and not suite" tests/contracts

format: setup ## put code and notebooks in order: format, mend what can be mended, strip outputs
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@if [ -d notebooks ]; then $(NOTEBOOKS) | xargs -0 $(BIN)/nbstripout --keep-id; fi

bench: setup ## run the benchmarks one after another
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

pictures: demo ## make the pictures of the README from the demo's report
	@$(BIN)/python tools/pictures.py

lock: setup ## resolve the dependencies again into requirements.lock
	@sh tools/lock.sh

hooks: setup ## install the pre-commit hooks (no network needed)
	@$(BIN)/pre-commit install

clean: ## remove caches and everything the demo made; data, runs and reports of clients stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	rm -rf data/demo runs/demo reports/demo
	find src tests notebooks benchmarks tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
