# Each target makes what it needs on a fresh machine: the environment .venv, the packages, and, as root, what the
# system lacks. `make help` lists them.

VENV := .venv
DEMO_SECONDS ?= 30
# Which Python makes the environment; empty: the first that is new enough.
PYTHON ?=
# Further arguments for pytest, such as PYTEST_ARGS="-k delivery".
PYTEST_ARGS ?=
# What the tests need from the system (Debian's names).
SYSTEM_PACKAGES := mariadb-server odbc-mariadb unixodbc systemd tzdata

.PHONY: help demo test coverage mutants bench docs lint clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1@/p' Makefile | while IFS=@ read -r target what; do printf '%-10s %s\n' "$$target" "$$what"; done

demo: $(VENV)/.installed-cli ## log simulated instruments and this computer for DEMO_SECONDS (30), with a live plot
	@$(VENV)/bin/pyexplabsys demo --seconds $(DEMO_SECONDS)

test: $(VENV)/.installed-test ## run all tests, against servers that they start themselves
	@.ci/install-system-packages $(SYSTEM_PACKAGES)
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

coverage: $(VENV)/.installed-test ## run all tests and show which lines they did not reach
	@.ci/install-system-packages $(SYSTEM_PACKAGES)
	$(VENV)/bin/coverage erase
	$(VENV)/bin/coverage run -m pytest $(PYTEST_ARGS)
	$(VENV)/bin/coverage combine --quiet
	$(VENV)/bin/coverage report

mutants: $(VENV)/.installed-test ## show that the fault tests fail on deliberately weakened builds
	@.ci/install-system-packages $(SYSTEM_PACKAGES)
	$(VENV)/bin/python -m tests.faults.mutants

bench: $(VENV)/.installed-bench ## measure the speeds of docs/performance.md on this computer
	@.ci/install-system-packages $(SYSTEM_PACKAGES)
	$(VENV)/bin/python -m benchmarks --json benchmarks/results/latest.json

docs: $(VENV)/.installed-docs ## build the documentation into docs/_build/html; a warning is an error
	$(VENV)/bin/python -m sphinx -W --keep-going -n -q -b html docs docs/_build/html

lint: $(VENV)/.installed-lint ## check style, types and who imports whom
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

clean: ## remove all that was made here, the environment too
	rm -rf $(VENV) build dist *.egg-info docs/_build .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find PyExpLabSys tests benchmarks machine_config docs -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@.ci/make-venv $(VENV) $(PYTHON)

# The package itself stands in the environment as a link to this folder (editable); each extra is one installation,
# made again when its list changes.
$(VENV)/.installed-%: setup.cfg pyproject.toml | $(VENV)/bin/python
	@echo "Installing PyExpLabSys[$*] into $(VENV)"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
