# Any Python 3.11 or newer with the extra `dev` installed: make check PYTHON=.venv/bin/python
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help check lint fix test test-real-model test-aimock storm stories behaviours screens bench bench-console demo

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: lint test ## The whole gate: format, lint, types, floors, tests

lint: ## The gate without the tests
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

fix: ## Format, and mend what ruff can mend by itself
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

test: ## The tests alone
	$(PYTHON) -m pytest

test-real-model: ## The AI adapter against a small model on this machine (see tests/ai/test_real_model.py)
	$(PYTHON) -m pytest -m real_model -n 0

test-aimock: ## The AI adapters against npm's aimock, with Node.js and npm (see tests/ai/test_aimock.py)
	$(PYTHON) -m pytest -m aimock -n 0 tests/ai/test_aimock.py

storm: ## The large races alone, one after the other
	$(PYTHON) -m pytest -m slow -n 0

stories: ## Play the stories on a real terminal and write docs/stories (a quarter of an hour)
	PYTHONPATH=.:tests $(PYTHON) tests/stories/tell.py

behaviours: ## Write docs/behaviours.md and docs/console.md from the names of the tests
	$(PYTHON) docs/behaviours.py
	$(PYTHON) docs/console.py

screens: ## Run the samples and take the pictures of docs/screens
	$(PYTHON) docs/screens/capture.py

bench: ## Measure the engine on this machine
	$(PYTHON) -m bench

bench-console: ## Measure the console on a terminal, with 100,000 runs
	$(PYTHON) -m bench.console

demo: ## The live console on a scratch database
	$(PYTHON) -m wfconsole demo
