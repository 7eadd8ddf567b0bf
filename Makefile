# Everything here runs in .venv, which the first target that needs it makes: a machine needs Python 3.11, make and git.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
READY := .venv/.ready
# Workers of the test run; a file's tests stay together, so that a file's costly fixtures are made once,
# and xdist leaves the order to tests/conftest.py.
JOBS ?= auto
# Container images often set it. Then each of the hundreds of processes of a run compiles anew all that it imports: seconds each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint bench setup browser format coverage lock clean

help: ## List what can be made
	@echo "make TARGET [ARGS=...]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Set up and open the running system on a demo study (ARGS=--no-serve: make it, tell, and end)
	$(BIN)/rtsm demo $(ARGS)

test: $(READY) browser ## Run all tests (ARGS="-k ledger" for some of them)
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(READY) ## Check style, types, import direction and the house rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports
	$(BIN)/python -m tools.house_rules

bench: $(READY) ## Run every benchmark (ARGS are passed to each)
	@set -e; for file in $$(grep -l '^if __name__ == .__main__.' benchmarks/*.py); do \
	  echo "== $$file"; $(BIN)/python -m benchmarks.$$(basename $$file .py) $(ARGS); done

setup: $(READY) ## Make .venv with the locked dependencies

browser: ## Install Chromium for the browser tests, where that is possible
	@sh tools/browser.sh

format: $(READY) ## Format the code and apply the safe fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

coverage: $(READY) ## Run all tests and report the lines and branches that no test reached
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term-missing:skip-covered $(ARGS)

lock: $(READY) ## Resolve pyproject.toml again into requirements.lock (ARGS=--upgrade for newer versions)
	$(BIN)/uv pip compile --quiet pyproject.toml --all-extras --group dev --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -o requirements.lock $(ARGS)

clean: ## Remove caches and build products (not .venv, not the data in .rtsm)
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov
	find . -path ./.venv -prune -o -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml tools/setup.sh
	@sh tools/setup.sh
	@touch $@
