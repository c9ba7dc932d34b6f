# Every target sets up what it needs; a fresh clone needs Python 3.11+ and make, nothing else.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv-dev/bin
PATHS := arbiter config containers tests benchmarks scripts

.PHONY: help run test check bench soak format lock clean environment environment-dev environment-bench
.DEFAULT_GOAL := help

help:  ## Show what can be made
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: environment  ## Start the orchestrator on an embedded database
	@exec .venv/bin/arbiter run

test: environment-dev  ## Run the whole test suite
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: environment-dev  ## Lint, format, types, import law, docstrings, examples, own working spec
	$(BIN)/ruff check $(PATHS)
	$(BIN)/ruff format --check $(PATHS)
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/interrogate -q arbiter config containers
	$(BIN)/python scripts/examples.py
	$(BIN)/arbiter caws check --ruleset caws-8 --root . .caws/working-spec.yaml

bench: environment environment-bench  ## Measure, beside peers, in one table
	.venv-bench/bin/python -m benchmarks

soak: environment-dev  ## Long runs: kills, restarts, leaks
	$(BIN)/python -m pytest -m soak --timeout 1800

format: environment-dev  ## Format the code
	$(BIN)/ruff format $(PATHS)
	$(BIN)/ruff check --fix $(PATHS)

lock: environment-dev  ## Renew the requirement locks from pyproject.toml
	$(BIN)/uv lock --quiet --upgrade
	$(BIN)/uv export --quiet --format requirements.txt --no-emit-project --no-annotate --no-header \
		--no-default-groups --extra orchestrator --extra postgres --group build -o requirements.lock
	$(BIN)/uv export --quiet --format requirements.txt --no-emit-project --no-annotate --no-header \
		--all-extras --all-groups --no-group peers -o requirements-dev.lock
	$(BIN)/uv export --quiet --format requirements.txt --no-emit-project --no-annotate --no-header \
		--all-extras --all-groups -o requirements-bench.lock

clean:  ## Remove the environments and caches (never data/)
	rm -rf .venv .venv-dev .venv-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

environment:
	@$(if $(PYTHON),,$(error ARBITER needs Python 3.11 or newer, and none was found. Install one, or: make run PYTHON=/path/to/python3))
	@$(PYTHON) scripts/environment.py .venv requirements.lock

environment-dev:
	@$(if $(PYTHON),,$(error ARBITER needs Python 3.11 or newer, and none was found. Install one, or: make test PYTHON=/path/to/python3))
	@$(PYTHON) scripts/environment.py .venv-dev requirements-dev.lock

environment-bench:
	@$(if $(PYTHON),,$(error ARBITER needs Python 3.11 or newer, and none was found. Install one, or: make bench PYTHON=/path/to/python3))
	@$(PYTHON) scripts/environment.py .venv-bench requirements-bench.lock
