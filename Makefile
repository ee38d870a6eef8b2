# `make help` lists the targets. No target is longer than five lines; the work is in `pledge` and pytest.
SHELL := /bin/sh
# the first Python on the PATH that is new enough and can make environments
USABLE := import ensurepip, sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c '$(USABLE)' 2>/dev/null && echo $$p && break; done)
VENV := .venv
UV := $(VENV)/bin/uv pip
INSTALL := --require-hashes --only-binary :all: --compile-bytecode --quiet --python $(VENV)/bin/python
T ?= tests
export PLEDGE_PROFILE ?= development
unexport PYTHONHOME PYTHONPATH

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Use
run: setup ## everything, with three simulated Jira sites; prints the URL to open; Ctrl-C stops all of it
	@$(VENV)/bin/pledge demo

test: setup ## everything: environment, private PostgreSQL, all tests (T=path runs some)
	@$(VENV)/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(T)

setup: $(VENV)/test.lock ## only the environment: .venv with .venv/bin/pledge

##@ Check
sure: lint test ## format check, lint, types, import contracts, tests

lint: $(VENV)/lint.lock ## format check, lint, types, import contracts
	@$(VENV)/bin/ruff format --check --quiet . && $(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

audit: $(VENV)/lint.lock ## known vulnerabilities of dependencies, secrets in tracked files; what is skipped fails
	@$(VENV)/bin/python requirements/audit.py $(if $(WHERE_ANSWERED),--where-answered)

format: $(VENV)/lint.lock ## write the format that lint expects
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

faults: setup ## kill, cut and restart everything while webhooks flow: nothing acknowledged may be lost (≤ 10 minutes)
	@$(VENV)/bin/python -m pytest tests/faults tests/stories/test_jira_has_bad_weather.py

faults-all: setup ## every fault as often as the README says, clocks, full disks and upgrades too; prints its table (≤ 1 hour)
	@PLEDGE_TEST_FAULTS=all $(VENV)/bin/python -m pytest -rs tests/faults tests/stories/test_jira_has_bad_weather.py

bench: setup ## every figure in the README, made again
	@$(VENV)/bin/python -m benchmarks

##@ Maintain
lock: $(VENV)/uv.lock ## write requirements/ anew from setup.cfg (UPGRADE=1: with newer versions)
	@$(VENV)/bin/python requirements/lock.py $(if $(UPGRADE),--upgrade)

clean: ## remove the environment, the private PostgreSQL and all caches
	@rm -rf $(VENV) .pledge build *.egg-info .*_cache .hypothesis

$(VENV)/uv.lock: requirements/uv.txt
	@test -n "$(PYTHON)" || { echo "Pledge needs Python 3.11 or later with venv (Debian: python3-venv); none is on the PATH" >&2; exit 1; }
	@test ! -L $(VENV) || { echo "$(VENV) is a link: making it anew would empty the environment that it leads to" >&2; exit 1; }
	@echo "making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	@cp $< $@

$(VENV)/%.lock: requirements/%.txt $(VENV)/uv.lock setup.cfg
	@echo "installing $<"; $(UV) install $(INSTALL) -r $<
	@$(UV) install --no-deps --no-build-isolation --quiet --python $(VENV)/bin/python --editable .
	@cp $< $@

.PHONY: help run test setup sure lint audit format faults faults-all bench lock clean
